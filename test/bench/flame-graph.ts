import { basename } from 'node:path'

/** What `node --cpu-prof` writes, as far as it is used. */
export interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number
    readonly callFrame: {
      readonly functionName: string
      readonly url: string
      /** From 0. */
      readonly lineNumber: number
    }
    readonly children?: readonly number[]
  }[]
  /** Ids of nodes. */
  readonly samples: readonly number[]
  /** Microseconds before each sample. */
  readonly timeDeltas: readonly number[]
}

/** A function in its place in the call tree. Times in microseconds. */
export interface Frame {
  readonly name: string
  /** File and line; empty for what is Node's own. */
  readonly place: string
  selfUs: number
  totalUs: number
  readonly children: Map<string, Frame>
}

const IDLE = new Set(['(idle)', '(root)'])

/** The call tree of a profile, without the time in which nothing ran. */
export function callTreeOf({ nodes, samples, timeDeltas }: CpuProfile): Frame {
  const selfUs = new Map<number, number>()
  for (const [index, id] of samples.entries()) {
    selfUs.set(id, (selfUs.get(id) ?? 0) + (timeDeltas[index] ?? 0))
  }
  const byId = new Map(nodes.map((node) => [node.id, node]))
  const root: Frame = { name: 'all', place: '', selfUs: 0, totalUs: 0, children: new Map() }

  function add(id: number, parent: Frame): number {
    const node = byId.get(id)
    if (node === undefined) return 0
    const { functionName, url, lineNumber } = node.callFrame
    const place = url.startsWith('file:') ? `${shortPath(url)}:${lineNumber + 1}` : url
    const name = functionName === '' ? '(anonymous)' : functionName
    const key = `${name} ${place}`
    let frame = parent.children.get(key)
    if (frame === undefined) {
      frame = { name, place, selfUs: 0, totalUs: 0, children: new Map() }
      parent.children.set(key, frame)
    }
    const self = IDLE.has(name) ? 0 : (selfUs.get(id) ?? 0)
    let total = self
    for (const child of node.children ?? []) total += add(child, frame)
    frame.selfUs += self
    frame.totalUs += total
    return total
  }

  for (const child of nodes[0]?.children ?? []) root.totalUs += add(child, root)
  return root
}

function shortPath(url: string): string {
  const path = url.replace(/^.*\/node_modules\//, '')
  return path === url
    ? `${basename(new URL('../..', url).pathname)}/${url.split('/').slice(-2).join('/')}`
    : path
}

/** Functions by the time they took themselves, most first. */
export function hottest(root: Frame, count: number): { readonly what: string; readonly share: number }[] {
  const selfUs = new Map<string, number>()
  const visit = (frame: Frame): void => {
    const what = `${frame.name} ${frame.place}`.trim()
    selfUs.set(what, (selfUs.get(what) ?? 0) + frame.selfUs)
    for (const child of frame.children.values()) visit(child)
  }
  visit(root)
  return [...selfUs]
    .sort(([, a], [, b]) => b - a)
    .slice(0, count)
    .map(([what, us]) => ({ what, share: us / root.totalUs }))
}

const WIDTH = 1400
const ROW = 17
/** Frames narrower than this are left out, in pixels. */
const MIN_WIDTH = 0.6
const CHARACTER_WIDTH = 6.6

/** A flame graph: callers below what they call, widths by time; the name and share show on hovering. */
export function flameGraph(root: Frame, title: string): string {
  const rows: string[] = []
  let depth = 0

  function draw(frame: Frame, x: number, level: number): void {
    const width = (frame.totalUs / root.totalUs) * WIDTH
    if (width < MIN_WIDTH) return
    depth = Math.max(depth, level)
    const label = `${frame.name} ${frame.place}`.trim()
    const room = Math.floor(width / CHARACTER_WIDTH)
    const shown = room < 3 ? '' : label.slice(0, room)
    const percent = ((frame.totalUs / root.totalUs) * 100).toFixed(1)
    rows.push(
      `<g transform="translate(${x.toFixed(1)},LEVEL${level})"><title>${escaped(label)}: ${percent} %</title>` +
        `<rect width="${Math.max(width - 0.4, 0.2).toFixed(1)}" height="${ROW - 1}" fill="${colourOf(frame)}"/>` +
        `<text x="3" y="12">${escaped(shown)}</text></g>`,
    )
    let left = x
    for (const child of [...frame.children.values()].sort((a, b) => b.totalUs - a.totalUs)) {
      draw(child, left, level + 1)
      left += (child.totalUs / root.totalUs) * WIDTH
    }
  }

  draw(root, 0, 0)
  const height = (depth + 3) * ROW
  const placed = rows.map((row) =>
    row.replace(/LEVEL(\d+)/, (_, level) => String(height - (Number(level) + 1) * ROW)),
  )
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" font-family="monospace" font-size="11">
<rect width="100%" height="100%" fill="#fff"/><text x="4" y="14" font-size="13">${escaped(title)}</text>
${placed.join('\n')}
</svg>
`
}

/** Ours warm, libraries green, Node and V8 blue. */
function colourOf({ name, place }: Frame): string {
  if (name === '(garbage collector)') return '#e07a7a'
  if (/(^|\/)dist\//.test(place) && !place.includes('@') && /^(server|shared|client)\//.test(place))
    return '#f2b45c'
  if (place === '' || place.startsWith('node:')) return '#9dc3e6'
  return '#a9d18e'
}

/** Text as it may stand in an SVG. */
export function escaped(text: string): string {
  return text.replace(/[&<>]/g, (character) => `&#${character.charCodeAt(0)};`)
}

import type { Figure } from './bench.js'
import { escaped } from './flame-graph.js'

/** Bars that belong together: one figure of everybody that was measured. */
interface Group {
  readonly what: string
  readonly unit: string
  readonly bars: { readonly who: string; readonly value: number }[]
}

const WIDTH = 720
const LEFT = 250
const RIGHT = 90
const BAR = 16
const GAP = 5
const GROUP_GAP = 18
const HEAD = 34
/** Ours first; told apart by lightness too. */
const COLOURS = ['#5b4bd6', '#9a90e8', '#3f8f7b', '#c77d3b', '#8a8f98', '#b9bdc4']

/**
 * A picture (SVG) of the figures whose names are `<who>: <what>`, a group of bars for each of what was measured of more
 * than one; undefined where there is nothing to set side by side. Each group has a scale of its own, from 0.
 */
export function plot(title: string, figures: readonly Figure[]): string | undefined {
  const groups = groupsOf(figures)
  if (groups.length === 0) return undefined
  const names = [...new Set(groups.flatMap(({ bars }) => bars.map(({ who }) => who)))]
  const colourOf = (who: string) => COLOURS[names.indexOf(who) % COLOURS.length] as string
  let y = HEAD
  const parts: string[] = []
  for (const { what, unit, bars } of groups) {
    y += GROUP_GAP
    parts.push(text(12, y, `${what}${unit === '' ? '' : `, ${unit}`}`, 'font-weight="600"'))
    y += 8
    const most = Math.max(...bars.map(({ value }) => value), Number.MIN_VALUE)
    for (const { who, value } of bars) {
      const width = Math.max(1, (value / most) * (WIDTH - LEFT - RIGHT))
      parts.push(text(LEFT - 8, y + BAR - 4, who, 'text-anchor="end"'))
      parts.push(
        `<rect x="${LEFT}" y="${y}" width="${width.toFixed(1)}" height="${BAR}" rx="2" fill="${colourOf(who)}"/>`,
      )
      parts.push(text(LEFT + width + 6, y + BAR - 4, short(value)))
      y += BAR + GAP
    }
  }
  const height = y + 12
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" font-family="system-ui, sans-serif" font-size="12">`,
    `<title>${escaped(title)}</title>`,
    // A page may be dark: the picture brings its own ground.
    `<rect width="${WIDTH}" height="${height}" fill="#ffffff"/>`,
    text(12, 22, title, 'font-size="13" font-weight="600"'),
    ...parts,
    '</svg>',
    '',
  ].join('\n')
}

function groupsOf(figures: readonly Figure[]): Group[] {
  const groups = new Map<string, Group>()
  for (const { name, value, unit } of figures) {
    const colon = name.indexOf(': ')
    if (colon < 0 || unit === '×') continue
    const [who, what] = [name.slice(0, colon), name.slice(colon + 2)]
    const group = groups.get(`${what} ${unit}`) ?? { what, unit, bars: [] }
    groups.set(`${what} ${unit}`, group)
    group.bars.push({ who, value })
  }
  return [...groups.values()].filter(({ bars }) => bars.length > 1)
}

function text(x: number, y: number, content: string, attributes = ''): string {
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" fill="#1d2027" ${attributes}>${escaped(content)}</text>`
}

function short(value: number): string {
  if (value >= 1000) return Math.round(value).toLocaleString('en')
  return value >= 10 ? value.toFixed(0) : value.toPrecision(2)
}

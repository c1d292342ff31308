import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { DEFAULT_LIMITS, ERROR_CODES, LIMIT_UNITS, type Limits, type SyncErrorCode } from '@onyx-sync/shared'
import { describe, expect, it } from 'vitest'
import { QUERY_COLUMNS, type QueryColumn } from '../../client/src/adapters/query-columns.js'
import { OPEN_TRAPS, TRAPS } from '../support/traps.js'

const root = fileURLToPath(new URL('../..', import.meta.url))
const read = (path: string): string => readFileSync(join(root, path), 'utf8')

/** Paths of files below a folder, relative to the repository. */
function filesBelow(folder: string, ending: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith(ending) && !path.includes('node_modules') && !path.includes('dist'))
    .map((path) => join(folder, path))
}

const documents = [
  ...readdirSync(root).filter((name) => name.endsWith('.md')),
  ...filesBelow('docs', '.md'),
  'testing/README.md',
].sort()

/** Lines outside fenced code. */
function prose(text: string): string[] {
  let isCode = false
  return text.split('\n').filter((line) => {
    const isFence = line.trimStart().startsWith('```')
    if (isFence) isCode = !isCode
    return !isFence && !isCode
  })
}

/** Everything below a heading up to the next one of its level or above. */
function section(path: string, heading: string): string {
  const lines = read(path).split('\n')
  const start = lines.indexOf(heading)
  expect(start, `${path} has no "${heading}"`).toBeGreaterThanOrEqual(0)
  const level = heading.indexOf(' ')
  const length = lines.slice(start + 1).findIndex((line) => {
    const marks = /^#+(?= )/.exec(line)?.[0].length
    return marks !== undefined && marks <= level
  })
  return lines.slice(start + 1, length < 0 ? undefined : start + 1 + length).join('\n')
}

/** Cells of the rows of all tables in a text, without heads. */
function tableRows(text: string): string[][] {
  const lines = text.split('\n')
  return lines
    .filter(
      (line, index) => line.startsWith('|') && !/^\|-/.test(line) && !/^\|-/.test(lines[index + 1] ?? ''),
    )
    .map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    )
}

describe('errors', () => {
  const text = read('docs/ERRORS.md')
  const headings = [...text.matchAll(/^### `([A-Z_]+)`$/gm)].map((match) => match[1] as string)

  it('every code is documented once, and every documented code exists', () => {
    expect([...headings].sort()).toEqual(Object.keys(ERROR_CODES).sort())
  })

  it.each(Object.keys(ERROR_CODES) as SyncErrorCode[])(
    '%s: prefix and retryable are the code’s, and it is explained',
    (code) => {
      const [facts, ...paragraph] = section('docs/ERRORS.md', `### \`${code}\``).trim().split('\n\n')
      const { prefix, retryable } = ERROR_CODES[code]
      const who = /^(Server|Device|Server, device) · /.exec(facts as string)?.[1]
      expect(facts).toBe(`${who} · prefix \`${prefix}\` · ${retryable ? '' : 'not '}retryable`)
      expect(paragraph.join('\n\n').length).toBeGreaterThan(60)
    },
  )
})

describe('the specification', () => {
  // An attack is a rule, too: that it doesn't work.
  const spec = read('docs/SPEC.md') + read('docs/ATTACKS.md')
  const rules = [...spec.matchAll(/\*\*([A-Z]{3,4}[0-9]+)\*\*/g)].map((match) => match[1] as string)

  /** Ids in brackets in the names of tests, those in the suites that adapters share and in lists of tests included. */
  function idsInTests(): Set<string> {
    const ids = new Set<string>()
    const names = /(?:\b(?:it|describe|test)(?:\.\w+(?:\([^()]*\))?)*\(\s*|\bids: )(['"`].*)/g
    for (const path of ['.ts', '.tsx'].flatMap((ending) => filesBelow('test', ending))) {
      for (const [, name] of read(path).matchAll(names)) {
        for (const [, id] of (name as string).matchAll(/\[([A-Z]{1,4}[0-9]+)\]/g)) ids.add(id as string)
      }
    }
    return ids
  }
  const isTrap = (id: string) => /^[A-Z][0-9]/.test(id)

  it('states every rule once', () => {
    expect(rules.filter((id, index) => rules.indexOf(id) !== index)).toEqual([])
  })

  it('has a test for every rule, and a rule for every id that a test carries', () => {
    const ids = [...idsInTests()].filter((id) => !isTrap(id))
    expect(ids.filter((id) => !rules.includes(id)).sort(), 'tests without a rule').toEqual([])
    expect(rules.filter((id) => !ids.includes(id)).sort(), 'rules without a test').toEqual([])
  })

  it('calls nothing a trap that is not on the list, in tests and in code', () => {
    const unknown = [...idsInTests()].filter((id) => isTrap(id) && !(id in TRAPS))
    for (const path of ['shared/src', 'client/src', 'server/src'].flatMap((of) => filesBelow(of, '.ts'))) {
      for (const [mention] of read(path).matchAll(/\btraps? [YSC][0-9]+(?:, [YSC][0-9]+)*/g)) {
        for (const [id] of mention.matchAll(/[YSC][0-9]+/g))
          if (!(id in TRAPS)) unknown.push(`${path}: ${id}`)
      }
    }
    expect(unknown).toEqual([])
  })

  it('counts the traps, and names the open ones', () => {
    const text = section('docs/TESTING.md', '## Traps')
    expect(text).toContain(`lists ${Object.keys(TRAPS).length} ways`)
    const named = [...text.matchAll(/\(((?:[YSC][0-9]+(?:, )?)+)\)/g)].flatMap(([, ids]) =>
      (ids as string).split(', '),
    )
    expect(named.sort()).toEqual(Object.keys(OPEN_TRAPS).sort())
  })

  it('names in code comments only rules that exist', () => {
    const unknown: string[] = []
    for (const folder of ['shared/src', 'client/src', 'server/src']) {
      for (const path of filesBelow(folder, '.ts')) {
        for (const [mention] of read(path).matchAll(/SPEC [A-Z]{3,4}[0-9]+([–,] ?[A-Z]{3,4}[0-9]+)*/g)) {
          for (const [id] of mention.matchAll(/[A-Z]{3,4}[0-9]+/g))
            if (!rules.includes(id)) unknown.push(`${path}: ${id}`)
        }
      }
    }
    expect(unknown).toEqual([])
  })

  it('[LIM1] lists every limit with its default and unit', () => {
    const listed = tableRows(section('docs/SPEC.md', '## Limits')).map(([name, value, unit]) => [
      (name as string).replaceAll('`', ''),
      Number(value),
      unit,
    ])
    expect(listed).toEqual(
      Object.entries(DEFAULT_LIMITS).map(([name, value]) => [name, value, LIMIT_UNITS[name as keyof Limits]]),
    )
    for (const [name] of Object.entries(DEFAULT_LIMITS))
      expect(read('shared/src/limits.ts')).toContain(`readonly ${name as keyof Limits}:`)
  })

  it('[TAB1] lists every column of the query tables', () => {
    const what = ({ type, isIndexed, isOptional }: QueryColumn) =>
      `${type}${isIndexed === true ? ', indexed' : ''}${isOptional === true ? ', optional' : ''}`
    const expected = Object.values(QUERY_COLUMNS).flatMap((columns) =>
      columns.map((column) => [`\`${column.name}\``, what(column)]),
    )
    const listed = tableRows(section('docs/SPEC.md', '## Query tables'))
    expect(listed.map(([name, type]) => [name, type])).toEqual(expected)
  })
})

describe('links', () => {
  /** Anchors of a page's headings, as GitHub makes them. */
  function anchors(path: string): Set<string> {
    return new Set(
      prose(read(path))
        .filter((line) => /^#+ /.test(line))
        .map((line) =>
          line
            .replace(/^#+ /, '')
            .toLowerCase()
            .replace(/[^\p{L}\p{N}_ -]/gu, '')
            .replaceAll(' ', '-'),
        ),
    )
  }

  it.each(documents)('%s leads to what exists', (path) => {
    const broken: string[] = []
    const text = prose(read(path)).join('\n')
    for (const match of text.matchAll(/(?:\]\(|src="|href=")([^)"\s]+)/g)) {
      const target = match[1] as string
      if (/^[a-z]+:/.test(target)) continue
      const [file, anchor] = target.split('#') as [string, string | undefined]
      const page = file === '' ? path : relative(root, join(root, dirname(path), file))
      if (!existsSync(join(root, page))) broken.push(target)
      else if (anchor !== undefined && page.endsWith('.md') && !anchors(page).has(anchor)) broken.push(target)
    }
    expect(broken).toEqual([])
  })
})

describe('the README', () => {
  const examples = read('test/spec/readme-examples.ts')

  it('shows code that is type-checked', () => {
    const importsOf = (code: string) =>
      [...code.matchAll(/^import [^']+ from '.+'$/gm)].map(([statement]) => statement)
    const known = importsOf(examples).map((statement) => statement.replace(', type RequestListener', ''))
    const bodies = [...examples.matchAll(/\/\/ example: \w+\n([\s\S]*?)\n {2}\/\/ end/g)].map((match) =>
      (match[1] as string).replaceAll(/^ {2}/gm, ''),
    )
    const blocks = [...read('README.md').matchAll(/```ts\n([\s\S]*?)\n```/g)].map(
      (match) => match[1] as string,
    )
    expect(blocks.length).toBe(bodies.length)
    for (const [index, block] of blocks.entries()) {
      const shown = importsOf(block)
      for (const statement of shown) expect(known).toContain(statement)
      expect(block.slice(shown.join('\n').length).trim()).toBe(bodies[index])
    }
  })

  it('shows React as the example has it', () => {
    const blocks = [...read('README.md').matchAll(/```tsx\n([\s\S]*?)\n```/g)]
    expect(blocks).toHaveLength(1)
    for (const [, block] of blocks) expect(read('client/examples/react/chat-app.tsx')).toContain(block)
  })

  it('names commands of package.json', () => {
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> }
    for (const path of ['README.md', 'CONTRIBUTING.md']) {
      for (const [, name] of read(path).matchAll(/npm run ([\w:-]+)/g))
        expect(Object.keys(scripts)).toContain(name)
      for (const [, name] of read(path).matchAll(/npm (start|test)\b/g))
        expect(Object.keys(scripts)).toContain(name)
    }
  })
})

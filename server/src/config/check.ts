import { SyncError } from '@onyx-sync/shared'
import type { z } from 'zod'
import { CONFIG_OPTIONS, type ConfigOption } from './options.js'
import { configSchema, type ServerConfig } from './schema.js'

/** Something that is wrong with a configuration. */
export interface ConfigFault {
  /** The option, or the name that is none; `''` for the whole. */
  readonly name: string
  /** What is wrong and how to mend it. */
  readonly message: string
  /** Whether nothing is given where something must be: another place may give it. */
  readonly isMissing: boolean
}

/** Checks a configuration, and fills in what isn't given. Returns all faults where there are any. */
export function checkConfig(
  value: unknown,
): { readonly config: ServerConfig } | { readonly faults: readonly ConfigFault[] } {
  const result = configSchema.safeParse(value)
  if (result.success) return { config: result.data }
  return { faults: result.error.issues.flatMap((issue) => faultsOf(issue, value)) }
}

/** As {@link checkConfig}; throws `CONFIG_INVALID` with every fault in its message. */
export function parseConfig(value: unknown): ServerConfig {
  const checked = checkConfig(value)
  if ('config' in checked) return checked.config
  const text = checked.faults.map(({ name, message }) => (name === '' ? message : `${name} ${message}`))
  throw new SyncError('CONFIG_INVALID', text.join('; '))
}

function faultsOf(issue: z.core.$ZodIssue, root: unknown): ConfigFault[] {
  if (issue.code === 'unrecognized_keys') {
    const known = namesIn(issue.path)
    return issue.keys.map((key) => ({
      name: [...issue.path, key].join('.'),
      message: `is no option${suggest(key, known)}`,
      isMissing: false,
    }))
  }
  const value = valueAt(root, issue.path)
  const given = describe(value)
  const isMissing = value === undefined
  const option = optionAt(issue.path)
  const name = issue.path.join('.')
  if (issue.code === 'custom') return [{ name, message: `${issue.message}, not ${given}`, isMissing }]
  const expected = option?.expected ?? `an object with ${namesIn(issue.path).join(', ')}`
  return [
    {
      name,
      message: isMissing ? `is missing: it must be ${expected}` : `must be ${expected}, not ${given}`,
      isMissing,
    },
  ]
}

function optionAt(path: readonly PropertyKey[]): ConfigOption | undefined {
  return CONFIG_OPTIONS.find((option) => option.path.every((key, index) => path[index] === key))
}

/** Names that may stand at a place of the file. */
function namesIn(path: readonly PropertyKey[]): string[] {
  const inside = CONFIG_OPTIONS.filter((option) => path.every((key, index) => option.path[index] === key))
  return [...new Set(inside.map((option) => option.path[path.length] as string))]
}

function valueAt(root: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce((value, key) => (value as Record<PropertyKey, unknown> | undefined)?.[key], root)
}

/** A value as a message shows it: not all of something large. */
function describe(value: unknown): string {
  const text = value === undefined ? 'nothing' : (JSON.stringify(value) ?? String(value))
  return text.length <= 100 ? text : `${text.slice(0, 100)}…`
}

/** ", did you mean …?" where one of the names is written nearly like it, else nothing. */
export function suggest(name: string, known: readonly string[]): string {
  const near = known
    .map((candidate) => ({ candidate, distance: editDistance(name.toLowerCase(), candidate.toLowerCase()) }))
    .sort((a, b) => a.distance - b.distance)[0]
  return near !== undefined && near.distance <= Math.max(2, Math.floor(name.length / 4))
    ? `, did you mean ${near.candidate}?`
    : ''
}

/** Levenshtein: insertions, deletions and replacements that make one text of the other. */
function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let row = 1; row <= a.length; row++) {
    const current = [row]
    for (let column = 1; column <= b.length; column++) {
      const replaced = (previous[column - 1] as number) + (a[row - 1] === b[column - 1] ? 0 : 1)
      current.push(Math.min(replaced, (previous[column] as number) + 1, (current[column - 1] as number) + 1))
    }
    previous = current
  }
  return previous[b.length] as number
}

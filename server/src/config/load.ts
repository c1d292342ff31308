import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { checkConfig, suggest } from './check.js'
import { CONFIG_OPTIONS, type ConfigOption, VARIABLE_PREFIX } from './options.js'
import type { ServerConfig } from './schema.js'

/** A configuration, and where each of its values came from. */
export interface LoadedConfig {
  readonly config: ServerConfig
  /**
   * By the option's name (`limits.maxFilters`): `default`, the path of the file, the variable, or the flag with
   * its dashes. Options that have no value are not in it.
   */
  readonly from: Readonly<Record<string, string>>
}

/** What a command line asks for besides its configuration. */
export interface ConfigRequest {
  readonly help: boolean
  readonly version: boolean
  readonly printConfig: boolean
  /** Reads and checks everything. Throws {@link ConfigError}. */
  load(): LoadedConfig
}

/** A configuration that can't be used. Each line of the message names a place, what is wrong there and what would do. */
export class ConfigError extends Error {}

/** Flags that are no options. */
const COMMAND_FLAGS = ['config', 'print-config', 'help', 'version']
const FILE_VARIABLE = `${VARIABLE_PREFIX}CONFIG`
/** Of the terminal device. */
const FOREIGN_VARIABLES: ReadonlySet<string> = new Set([`${VARIABLE_PREFIX}DEBUG`])

interface Source {
  /** In the form of the file. */
  readonly values: Record<string, unknown>
  /** How a message names an option that came from here. */
  place(name: string): string
  /** How `from` names it. */
  from(option: ConfigOption): string
}

/**
 * Reads a command line. Of a value that is given twice the flag wins, then the environment, then the file, then
 * the default. An empty variable counts as not set. Throws {@link ConfigError} for a command line that can't be
 * read. Source: SPEC CFG1–CFG3.
 */
export function readConfigRequest(
  args: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): ConfigRequest {
  const { given, faults } = readFlags(args)
  if (faults.length > 0) throw new ConfigError(faults.join('\n'))
  return {
    help: given.has('help'),
    version: given.has('version'),
    printConfig: given.has('print-config'),
    load() {
      const file = given.get('config')?.at(-1) ?? nonEmpty(environment[FILE_VARIABLE])
      const problems: string[] = []
      const sources = [
        ...(file === undefined ? [] : [fileSource(file)]),
        environmentSource(environment, problems),
        flagSource(given),
      ]
      return combine(sources, problems)
    },
  }
}

function readFlags(args: readonly string[]): { given: Map<string, string[]>; faults: string[] } {
  const isSwitch = (name: string): boolean =>
    ['print-config', 'help', 'version'].includes(name) ||
    CONFIG_OPTIONS.some(({ flag, type }) => flag === name && type === 'switch')
  const known = [...COMMAND_FLAGS, ...CONFIG_OPTIONS.map(({ flag }) => flag)]
  const { tokens } = parseArgs({
    args: [...args],
    strict: false,
    tokens: true,
    options: Object.fromEntries(
      known.map((name) => [
        name,
        {
          type: isSwitch(name) ? ('boolean' as const) : ('string' as const),
          ...(name === 'help' || name === 'version' ? { short: name[0] as string } : {}),
        },
      ]),
    ),
  })
  const given = new Map<string, string[]>()
  const faults: string[] = []
  for (const token of tokens) {
    if (token.kind === 'positional') faults.push(`${token.value}: this command takes options only`)
    if (token.kind !== 'option') continue
    if (!known.includes(token.name)) {
      const names = known.map((name) => `--${name}`)
      faults.push(`${token.rawName} is no option${suggest(token.rawName, names)}`)
    } else if (!isSwitch(token.name) && (token.value === undefined || isForgotten(token))) {
      faults.push(`${token.rawName} needs a value`)
    } else {
      given.set(token.name, [...(given.get(token.name) ?? []), token.value ?? 'true'])
    }
  }
  return { given, faults }
}

/** Whether what stands behind a flag is the next flag, because its value was forgotten. */
function isForgotten(token: {
  readonly value: string | undefined
  readonly inlineValue: boolean | undefined
}) {
  return token.inlineValue !== true && token.value?.startsWith('--') === true
}

function fileSource(file: string): Source {
  let values: unknown
  try {
    values = JSON.parse(readFileSync(file, 'utf8'))
  } catch (error) {
    const problem = error instanceof SyntaxError ? 'is no JSON' : "can't be read"
    throw new ConfigError(`${file} ${problem}: ${(error as Error).message}`)
  }
  if (typeof values !== 'object' || values === null || Array.isArray(values)) {
    throw new ConfigError(`${file} must hold one JSON object, as in {"port": 7447}`)
  }
  for (const option of CONFIG_OPTIONS) {
    const value = get(values, option.path)
    if (option.type === 'list' && typeof value === 'string') set(values, option.path, [value])
    if (option.type === 'numbers' && typeof value === 'number') set(values, option.path, [value])
  }
  return {
    values: values as Record<string, unknown>,
    place: (name) => `${file}: ${name}`,
    from: () => file,
  }
}

function environmentSource(
  environment: Readonly<Record<string, string | undefined>>,
  problems: string[],
): Source {
  const names = [FILE_VARIABLE, ...CONFIG_OPTIONS.map(({ variable }) => variable)]
  for (const [name, text] of Object.entries(environment)) {
    if (!name.startsWith(VARIABLE_PREFIX) || nonEmpty(text) === undefined) continue
    if (names.includes(name) || FOREIGN_VARIABLES.has(name)) continue
    problems.push(`${name} is no option${suggest(name, names)}${serviceLinkHint(name, text)}`)
  }
  const values = {}
  for (const option of CONFIG_OPTIONS) {
    const text = nonEmpty(environment[option.variable])
    if (text !== undefined) set(values, option.path, readValue(option, [text]))
  }
  return {
    values,
    place(name) {
      const option = optionNamed(name)
      return option === undefined
        ? name
        : `${option.variable}${serviceLinkHint(option.variable, environment[option.variable])}`
    },
    from: ({ variable }) => variable,
  }
}

/** Kubernetes puts such variables into every container beside a service that is called "onyx-sync". */
function serviceLinkHint(name: string, text: string | undefined): string {
  return text?.startsWith('tcp://') === true || /_SERVICE_(HOST|PORT)|_PORT_\d+_/.test(name)
    ? ' (set by Kubernetes for a service of that name: set enableServiceLinks to false)'
    : ''
}

function flagSource(given: ReadonlyMap<string, readonly string[]>): Source {
  const values = {}
  for (const option of CONFIG_OPTIONS) {
    const texts = given.get(option.flag)
    if (texts !== undefined) set(values, option.path, readValue(option, texts))
  }
  return {
    values,
    place: (name) => `--${optionNamed(name)?.flag ?? name}`,
    from: ({ flag }) => `--${flag}`,
  }
}

/** What a text stands for. One that can't be read stays a text, which the schema then refuses. */
function readValue({ type }: ConfigOption, texts: readonly string[]): unknown {
  if (type === 'list' || type === 'numbers') {
    const items = texts.flatMap((text) => text.split(',').map((item) => item.trim()))
    return type === 'list' ? items : items.map(readNumber)
  }
  const text = texts[texts.length - 1] as string
  if (type === 'number') return readNumber(text)
  if (type === 'switch') return text === 'true' ? true : text === 'false' ? false : text
  return text
}

function readNumber(text: string): unknown {
  return /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : text
}

/** Checks each source by itself, so that what is wrong is named also where another source overrides it. */
function combine(sources: readonly Source[], problems: readonly string[]): LoadedConfig {
  const faults = [...problems]
  const merged = {}
  const from: Record<string, string> = {}
  for (const option of CONFIG_OPTIONS) if (option.default !== undefined) from[option.name] = 'default'
  for (const source of sources) {
    const checked = checkConfig(source.values)
    for (const { name, message, isMissing } of 'faults' in checked ? checked.faults : []) {
      if (!isMissing) faults.push(`${source.place(name)} ${message}`)
    }
    for (const option of CONFIG_OPTIONS) {
      const value = get(source.values, option.path)
      if (value === undefined) continue
      set(merged, option.path, value)
      from[option.name] = source.from(option)
    }
  }
  if (faults.length > 0) throw new ConfigError(faults.join('\n'))
  const checked = checkConfig(merged)
  if ('faults' in checked) {
    throw new ConfigError(checked.faults.map(({ name, message }) => `${name} ${message}`).join('\n'))
  }
  return { config: checked.config, from }
}

/** The option that a fault's name is about: `url.0` is about `url`. */
function optionNamed(name: string): ConfigOption | undefined {
  return CONFIG_OPTIONS.find((option) => name === option.name || name.startsWith(`${option.name}.`))
}

function nonEmpty(text: string | undefined): string | undefined {
  return text === '' ? undefined : text
}

function get(root: unknown, path: readonly string[]): unknown {
  return path.reduce(
    (value, key) =>
      typeof value === 'object' && value !== null && Object.hasOwn(value, key)
        ? (value as Record<string, unknown>)[key]
        : undefined,
    root,
  )
}

function set(root: object, path: readonly string[], value: unknown): void {
  const [key, ...rest] = path as [string, ...string[]]
  const record = root as Record<string, unknown>
  if (rest.length === 0) {
    record[key] = value
    return
  }
  record[key] ??= {}
  set(record[key] as object, rest, value)
}

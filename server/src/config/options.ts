import { z } from 'zod'
import { configSchema } from './schema.js'

/** One option of the configuration, as it is named and written in each place. */
export interface ConfigOption {
  /** Names in the file, from the outside in. */
  readonly path: readonly string[]
  /** The same joined by dots, as in `limits.maxFilters`. */
  readonly name: string
  /** Without the dashes, as in `max-filters`. */
  readonly flag: string
  /** Variable of the environment, as in `ONYX_SYNC_MAX_FILTERS`. */
  readonly variable: string
  readonly type: 'text' | 'number' | 'list' | 'numbers' | 'switch'
  /** What may be given, in words: "a whole number from 0 to 65535". */
  readonly expected: string
  readonly default: unknown
  readonly description: string
}

/** Begins the name of every variable of the environment that is ours. */
export const VARIABLE_PREFIX = 'ONYX_SYNC_'

/** The parts of JSON Schema that are used: a published format, where zod's own structure is not. */
interface JsonSchema {
  readonly type?: string
  readonly properties?: Readonly<Record<string, JsonSchema>>
  readonly enum?: readonly unknown[]
  readonly minimum?: number
  readonly exclusiveMinimum?: number
  readonly maximum?: number
  readonly maxLength?: number
  readonly minItems?: number
  readonly maxItems?: number
  readonly items?: JsonSchema
  readonly default?: unknown
  readonly description?: string
}

/** Every option of the configuration, in the order of the schema. */
export const CONFIG_OPTIONS: readonly ConfigOption[] = readOptions(
  z.toJSONSchema(configSchema, { io: 'input' }) as JsonSchema,
  [],
)

function readOptions(schema: JsonSchema, path: readonly string[]): ConfigOption[] {
  return Object.entries(schema.properties ?? {}).flatMap(([key, child]) => {
    const childPath = [...path, key]
    return child.properties === undefined ? [readOption(child, childPath)] : readOptions(child, childPath)
  })
}

function readOption(schema: JsonSchema, path: readonly string[]): ConfigOption {
  // What is in `limits` says by its own name that it is a limit.
  const words = (path[0] === 'limits' ? path.slice(1) : path).join('-')
  const flag = words.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
  return {
    path,
    name: path.join('.'),
    flag,
    variable: `${VARIABLE_PREFIX}${flag.replaceAll('-', '_').toUpperCase()}`,
    type: typeOf(schema),
    expected: expectedOf(schema),
    default: schema.default,
    description: schema.description ?? '',
  }
}

function typeOf({ type, items }: JsonSchema): ConfigOption['type'] {
  if (type === 'array' && items?.type === 'integer') return 'numbers'
  if (type === 'integer' || type === 'number') return 'number'
  if (type === 'boolean') return 'switch'
  return type === 'array' ? 'list' : 'text'
}

function expectedOf(schema: JsonSchema): string {
  const { type, minimum, exclusiveMinimum, maximum, maxLength, minItems, items } = schema
  if (schema.enum !== undefined) return schema.enum.map((value) => JSON.stringify(value)).join(' or ')
  if (type === 'integer') return `a whole number from ${minimum} to ${maximum}`
  if (type === 'number') return `a number above ${exclusiveMinimum}, at most ${maximum}`
  if (type === 'boolean') return 'true or false'
  if (type === 'array' && items?.type === 'integer') {
    return `a list of whole numbers from ${items.minimum} to ${items.maximum}, at most ${schema.maxItems} of them`
  }
  if (type === 'array') return minItems === undefined ? 'a list of texts' : 'a list of texts, at least one'
  return maxLength === undefined ? 'a text that is not empty' : `a text of 1 to ${maxLength} characters`
}

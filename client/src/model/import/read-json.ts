import type { JsonValue } from '../json.js'

/** An object of parsed JSON. */
export type JsonRecord = Readonly<Record<string, JsonValue | undefined>>

/** The value as an object; undefined for anything else. */
export function asRecord(value: unknown): JsonRecord | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as JsonRecord)
    : undefined
}

/** The value as a list; empty for anything else. */
export function asList(value: unknown): readonly JsonValue[] {
  return Array.isArray(value) ? (value as readonly JsonValue[]) : []
}

/** The value as a text that isn't empty; undefined for anything else. */
export function asText(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}

/** A time in milliseconds, from milliseconds, seconds or an ISO text; undefined for anything else. */
export function asTime(value: unknown): number | undefined {
  if (typeof value === 'string') {
    const parsed = Date.parse(value)
    return Number.isNaN(parsed) ? undefined : parsed
  }
  if (typeof value !== 'number' || !Number.isFinite(value) || value <= 0) return undefined
  // Before 1973 nobody chatted with a model; what is that small counts seconds.
  return Math.round(value < 100_000_000_000 ? value * 1000 : value)
}

/** The first of some keys that has a value. */
export function firstOf(record: JsonRecord, ...keys: readonly string[]): JsonValue | undefined {
  for (const key of keys) {
    const value = record[key]
    if (value !== undefined && value !== null) return value
  }
  return undefined
}

/** The record without some keys, and without what is undefined. */
export function without(record: JsonRecord, keys: readonly string[]): Record<string, JsonValue> {
  const rest: Record<string, JsonValue> = {}
  for (const [key, value] of Object.entries(record)) {
    if (value !== undefined && !keys.includes(key)) rest[key] = value
  }
  return rest
}

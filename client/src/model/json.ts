import { SyncError } from '@onyx-sync/shared'

/** What JSON can hold. */
export type JsonValue =
  | string
  | number
  | boolean
  | null
  | readonly JsonValue[]
  | { readonly [key: string]: JsonValue }

/**
 * The value as JSON has it, sharing nothing with what was given. Throws `VALUE_INVALID`, naming `what`, for what JSON
 * can't hold: functions, cycles, BigInt, `undefined`.
 */
export function toJsonValue(value: unknown, what: string): JsonValue {
  let text: string | undefined
  try {
    text = JSON.stringify(value)
  } catch (cause) {
    throw new SyncError('VALUE_INVALID', `${what} can't be written as JSON: ${(cause as Error).message}`, {
      cause,
    })
  }
  if (text === undefined) throw new SyncError('VALUE_INVALID', `${what} can't be written as JSON`)
  return JSON.parse(text) as JsonValue
}

/** Whether two values are the same JSON; the order of keys counts. */
export function isSameJson(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}

/** Tells whether a value is what it should be. */
export type Check<T> = (value: unknown) => value is T

export const isText: Check<string> = (value): value is string => typeof value === 'string'
export const isFlag: Check<boolean> = (value): value is boolean => typeof value === 'boolean'
/** Of whatever realm: a clone may come from another one. */
export const isBytes: Check<Uint8Array> = (value): value is Uint8Array =>
  Object.prototype.toString.call(value) === '[object Uint8Array]'
export const isNumber: Check<number> = (value): value is number => typeof value === 'number'

/** A whole number from 0. */
export const isCount: Check<number> = (value): value is number =>
  Number.isSafeInteger(value) && (value as number) >= 0

export const isRecord: Check<Readonly<Record<string, unknown>>> = (
  value,
): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** Anything at all; what it is used for checks it. */
export const isAnything: Check<unknown> = (_value): _value is unknown => true

export function isOneOf<T extends string>(...values: readonly T[]): Check<T> {
  return (value): value is T => (values as readonly unknown[]).includes(value)
}

export function isNullOr<T>(check: Check<T>): Check<T | null> {
  return (value): value is T | null => value === null || check(value)
}

export function isListOf<T>(check: Check<T>): Check<readonly T[]> {
  return (value): value is readonly T[] => Array.isArray(value) && value.every(check)
}

export function isTuple<T extends readonly unknown[]>(...checks: { [K in keyof T]: Check<T[K]> }): Check<T> {
  return (value): value is T =>
    Array.isArray(value) && value.length === checks.length && checks.every((check, at) => check(value[at]))
}

/** A record with at least these keys. */
export function isShape<T extends object>(checks: { [K in keyof T]-?: Check<T[K]> }): Check<T> {
  return (value): value is T =>
    isRecord(value) && Object.entries(checks).every(([key, check]) => (check as Check<unknown>)(value[key]))
}

/** A record whose values are all of a kind. */
export function isRecordOf<T>(check: Check<T>): Check<Readonly<Record<string, T>>> {
  return (value): value is Readonly<Record<string, T>> => isRecord(value) && Object.values(value).every(check)
}

import {
  chai,
  GLOBAL_EXPECT,
  JestAsymmetricMatchers,
  JestChaiExpect,
  JestExtend,
  setState,
} from '@vitest/expect'

chai.use(JestExtend)
chai.use(JestChaiExpect)
chai.use(JestAsymmetricMatchers)

/** Vitest's `expect`, for where Vitest itself can't run. */
export const expect = Object.assign(
  (value: unknown, message?: string) => chai.expect(value, message),
  chai.expect,
)
Object.defineProperty(globalThis, GLOBAL_EXPECT, { value: expect })
setState({ assertionCalls: 0 }, expect as never)

/** What a failure has to say, with what was got and what was expected. */
export function failureText(error: unknown): string {
  const { message, stack, actual, expected, cause } = error as Error & {
    actual?: unknown
    expected?: unknown
  }
  // A property tells the inputs, and what failed with them as the cause.
  if (cause instanceof Error) return `${message}\n${failureText(cause)}`
  const values = actual === undefined ? '' : `\ngot ${toText(actual)}\nexpected ${toText(expected)}`
  return `${message}${values}\n${stack}`
}

function toText(value: unknown): string {
  return (JSON.stringify(value) ?? String(value)).slice(0, 2_000)
}

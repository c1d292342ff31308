import { expect } from 'vitest'

/** Has a client library delete one of its events (NIP-09), and looks for it before and afterwards. */
export async function expectDeletion(
  /** Publishes the request. @returns whether the library says that it was taken */
  request: () => Promise<boolean>,
  /** Whether the event is still found. */
  isThere: () => Promise<boolean>,
): Promise<void> {
  expect(await isThere()).toBe(true)
  expect(await request()).toBe(true)
  expect(await isThere()).toBe(false)
}

import { expect } from 'vitest'

/**
 * Has a client library delete one of its events (NIP-09) and looks for it afterwards. A server that doesn't name
 * NIP-09 in its information document refuses the request, and the library must say so.
 */
export async function expectDeletion(
  url: string,
  /** Publishes the request. @returns whether the library says that it was taken */
  request: () => Promise<boolean>,
  /** Whether the event is still found. */
  isThere: () => Promise<boolean>,
): Promise<void> {
  const response = await fetch(url.replace(/^ws/, 'http'), { headers: { Accept: 'application/nostr+json' } })
  const { supported_nips } = (await response.json()) as { supported_nips: number[] }
  const isSupported = supported_nips.includes(9)
  expect(await isThere()).toBe(true)
  expect(await request()).toBe(isSupported)
  expect(await isThere()).toBe(!isSupported)
}

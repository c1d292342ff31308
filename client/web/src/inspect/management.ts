import type { Signer } from '@onyx-sync/shared'
import { getToken } from 'nostr-tools/nip98'
import { bytesToHex } from 'nostr-tools/utils'

/** The server's `stats`, as they come: numbers by name, and some that are yes or no. */
export type ServerStats = Readonly<Record<string, unknown>>

/** Why there is nothing to see: the key is none of an operator, or something else is in the way. */
export class ManagementError extends Error {
  readonly isStranger: boolean

  constructor(message: string, isStranger: boolean) {
    super(message)
    this.isStranger = isStranger
  }
}

/** Longest wait for an answer. Milliseconds. */
const TIMEOUT_MS = 10_000

/** Whether a server has operators at all: its NIP-11 document names NIP-86. */
export function hasOperators(info: unknown): boolean {
  const nips = (info as { supported_nips?: unknown } | undefined)?.supported_nips
  return Array.isArray(nips) && nips.includes(86)
}

/**
 * Asks the management API of a server, each time with a signature for this very request (NIP-98). Rejects with a
 * {@link ManagementError}. Source: SPEC MAN1, MAN5.
 */
export function createManagementCall(url: string, signer: Signer) {
  const address = url.replace(/^ws/, 'http')

  return async (method: string): Promise<unknown> => {
    const call = { method, params: [] }
    const authorization = await getToken(
      address,
      'post',
      // No signature counts twice, and another tab may ask for the same in this second.
      (template) =>
        signer.signEvent({
          ...template,
          tags: [...template.tags, ['nonce', bytesToHex(crypto.getRandomValues(new Uint8Array(8)))]],
        }),
      true,
      call,
    )
    const response = await fetch(address, {
      method: 'POST',
      headers: { 'Content-Type': 'application/nostr+json+rpc', Authorization: authorization },
      body: JSON.stringify(call),
      signal: AbortSignal.timeout(TIMEOUT_MS),
    }).catch((error) => {
      throw new ManagementError(`The server can’t be reached: ${error}`, false)
    })
    const answer = (await response.json().catch(() => ({}))) as { result?: unknown; error?: unknown }
    if (response.ok && answer.error === undefined) return answer.result
    const reason = typeof answer.error === 'string' ? answer.error : `HTTP ${response.status}`
    throw new ManagementError(reason, response.status === 401)
  }
}

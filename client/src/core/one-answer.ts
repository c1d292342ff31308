import { type Clock, SyncError } from '@onyx-sync/shared'
import type { Session } from './session-api.js'

export interface OneAnswerParts {
  readonly clock: Clock
  session(): Session | undefined
}

/** Longest wait for the server's answer. Milliseconds. */
const TIMEOUT_MS = 30_000

/**
 * Asks a sync server one question by a plain `REQ`, and closes it with the `EOSE`. `what` names what is asked for, for
 * people. The function rejects with `CONNECTION_FAILED` without a connection, or when nothing comes, and with
 * `RELAY_UNSUITABLE` at a plain relay.
 */
export function createOneAnswer(
  { clock, session }: OneAnswerParts,
  what: string,
): (filter: Readonly<Record<string, unknown>>) => Promise<unknown[]> {
  let asked = 0
  return (filter) => {
    const live = session()
    if (live?.status.state !== 'live')
      return Promise.reject(
        new SyncError('CONNECTION_FAILED', `${what} is on the server, and there is no connection to it`),
      )
    if (live.status.mode === 'plain')
      return Promise.reject(
        new SyncError('RELAY_UNSUITABLE', `a plain relay keeps no ${what.replace(/^the /, '')}`),
      )
    const id = `${what.replace(/^the /, '').replaceAll(' ', '-')}-${++asked}`
    return new Promise((resolve, reject) => {
      const events: unknown[] = []
      const timer = clock.setTimeout(() => fail('the server did not answer'), TIMEOUT_MS)
      const fail = (reason: string) => {
        live.shut(id)
        clock.clearTimeout(timer)
        reject(new SyncError('CONNECTION_FAILED', `${what} did not come: ${reason}`))
      }
      live.open(id, [{ ...filter }], {
        onEvent: (event) => events.push(event),
        onEose() {
          live.shut(id)
          clock.clearTimeout(timer)
          resolve(events)
        },
        onClosed: fail,
      })
    })
  }
}

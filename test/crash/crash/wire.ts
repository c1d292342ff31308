import type { NostrEvent } from '@onyx-sync/shared'
import { WebSocket } from 'ws'
import { authEvent, type TestKey } from '../support/events.js'

/** A bare connection over a real socket that keeps nothing of what it has handed on. */
export interface Wire {
  /** Says something; silently nothing once the connection is gone. */
  send(...message: readonly unknown[]): void
  /** Calls back for every message after the login, in order. */
  onMessage(listener: (message: readonly unknown[]) => void): void
  /** Everything that fits the filters, up to the `EOSE`. Rejects when the connection ends before. */
  fetch(...filters: readonly object[]): Promise<NostrEvent[]>
  publish(
    event: NostrEvent,
    timeoutMs?: number,
  ): Promise<{ readonly accepted: boolean; readonly reason: string }>
  readonly isOpen: boolean
  /** Resolves when the connection is gone; rejects when a listener threw, which ends it. */
  readonly closed: Promise<void>
  cut(): void
}

const LOGIN_TIMEOUT_MS = 20_000
const FETCH_TIMEOUT_MS = 60_000

/** Connects and logs in. Rejects when that fails, for instance because the server was killed meanwhile. */
export async function openWire(url: string, ...keys: readonly TestKey[]): Promise<Wire> {
  const socket = new WebSocket(url)
  const listeners = new Set<(message: readonly unknown[]) => void>()
  let failure: unknown
  const closed = new Promise<void>((resolve, reject) => {
    socket.once('close', () => (failure === undefined ? resolve() : reject(failure)))
  })
  closed.catch(() => {})
  // The close event follows.
  socket.on('error', () => {})
  let fetches = 0

  socket.on('message', (data) => {
    const message = JSON.parse(String(data)) as unknown[]
    try {
      for (const listener of listeners) listener(message)
    } catch (error) {
      failure = error
      socket.terminate()
    }
  })

  function expect<T>(
    timeoutMs: number,
    look: (message: readonly unknown[]) => T | undefined,
    begin: () => void,
  ): Promise<T> {
    return new Promise((resolve, reject) => {
      const end = (settle: () => void) => {
        clearTimeout(timer)
        listeners.delete(listener)
        settle()
      }
      const listener = (message: readonly unknown[]) => {
        const found = look(message)
        if (found !== undefined) end(() => resolve(found))
      }
      const timer = setTimeout(
        () => end(() => reject(new Error(`no answer within ${timeoutMs} ms`))),
        timeoutMs,
      )
      listeners.add(listener)
      closed.then(
        () => end(() => reject(new Error('the connection ended'))),
        (error: unknown) => end(() => reject(error)),
      )
      begin()
    })
  }

  const send = (...message: readonly unknown[]) => {
    if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message))
  }
  const challenge = await expect(
    LOGIN_TIMEOUT_MS,
    ([type, text]) => (type === 'AUTH' ? String(text) : undefined),
    () => {},
  )
  for (const key of keys) {
    const event = authEvent(key, url, challenge)
    await expect(
      LOGIN_TIMEOUT_MS,
      ([type, id, ok]) => (type === 'OK' && id === event.id && ok === true ? true : undefined),
      () => send('AUTH', event),
    )
  }
  return {
    send,
    onMessage: (listener) => listeners.add(listener),
    fetch(...filters) {
      const subscription = `fetch-${++fetches}`
      const events: NostrEvent[] = []
      return expect(
        FETCH_TIMEOUT_MS,
        ([type, id, value]) => {
          if (id !== subscription) return undefined
          if (type === 'EVENT') events.push(value as NostrEvent)
          if (type === 'CLOSED') throw new Error(`the server closed the request: ${String(value)}`)
          if (type !== 'EOSE') return undefined
          send('CLOSE', subscription)
          return events
        },
        () => send('REQ', subscription, ...filters),
      )
    },
    publish: (event, timeoutMs = 20_000) =>
      expect(
        timeoutMs,
        ([type, id, accepted, reason]) =>
          type === 'OK' && id === event.id
            ? { accepted: accepted === true, reason: String(reason) }
            : undefined,
        () => send('EVENT', event),
      ),
    get isOpen() {
      return socket.readyState === WebSocket.OPEN
    },
    closed,
    cut: () => socket.terminate(),
  }
}

import type { Connection, Transport } from '@onyx-sync/client'

/** Whose connection it is: the device's own, where this tab leads, or the one on which the inspector reads. */
export type TrafficSource = 'device' | 'inspector'

/** One message, or the beginning or end of a connection, as this tab had it. */
export interface TrafficEntry {
  readonly id: number
  /** Milliseconds since the Unix epoch. */
  readonly at: number
  readonly source: TrafficSource
  readonly direction: 'sent' | 'received' | 'connection'
  /** The first word of a message, such as `REQ`; of a connection what became of it. */
  readonly type: string
  /** Of the whole message, UTF-8. 0 for what is no message. */
  readonly bytes: number
  /** The message, cut to {@link MAX_TEXT_LENGTH}. */
  readonly text: string
  readonly isCut: boolean
}

/** What went over the wire, the newest last. */
export interface TrafficLog {
  /** The same array until something changes. */
  entries(): readonly TrafficEntry[]
  subscribe(listener: () => void): () => void
  clear(): void
  /** A transport that does what the given one does, and notes what it carries. */
  watch(transport: Transport, source: TrafficSource): Transport
}

export const MAX_ENTRIES = 500
/** Characters of one message. */
export const MAX_TEXT_LENGTH = 64 * 1024
/** Characters of all together: what a page may hold for this. */
const MAX_TEXT_TOTAL = 4 * 1024 * 1024
/** How soon what is new is shown: many messages at once are one change. Milliseconds. */
const TELL_AFTER_MS = 200

/** Notes nothing that isn't on the wire anyway, where no secret key ever is; and forgets it with the page. */
export function createTrafficLog(now: () => number = Date.now): TrafficLog {
  const listeners = new Set<() => void>()
  const encoder = new TextEncoder()
  let kept: TrafficEntry[] = []
  let shown: readonly TrafficEntry[] = kept
  let length = 0
  let count = 0
  let isDue = false

  function tell(): void {
    isDue = false
    shown = [...kept]
    for (const listener of [...listeners]) listener()
  }

  function add(
    source: TrafficSource,
    direction: TrafficEntry['direction'],
    type: string,
    message: string,
    bytes: number,
  ): void {
    const text = message.slice(0, MAX_TEXT_LENGTH)
    const isCut = text.length < message.length
    kept.push({ id: ++count, at: now(), source, direction, type, bytes, text, isCut })
    length += text.length
    while (kept.length > MAX_ENTRIES || length > MAX_TEXT_TOTAL) length -= kept.shift()?.text.length ?? 0
    if (!isDue) setTimeout(tell, TELL_AFTER_MS)
    isDue = true
  }

  const note = (source: TrafficSource, direction: 'sent' | 'received', text: string) =>
    add(source, direction, typeOf(text), text, encoder.encode(text).byteLength)

  return {
    entries: () => shown,
    subscribe(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    clear() {
      kept = []
      length = 0
      tell()
    },
    watch(transport, source) {
      return {
        dial(url, handlers): Connection {
          add(source, 'connection', 'dial', url, 0)
          const connection = transport.dial(url, {
            onOpen() {
              add(source, 'connection', 'open', '', 0)
              handlers.onOpen()
            },
            onMessage(text) {
              note(source, 'received', text)
              handlers.onMessage(text)
            },
            onClose(code, reason) {
              add(source, 'connection', 'closed', `${code} ${reason}`.trim(), 0)
              handlers.onClose(code, reason)
            },
          })
          return {
            send(text) {
              note(source, 'sent', text)
              connection.send(text)
            },
            close(code, reason) {
              add(source, 'connection', 'close', '', 0)
              connection.close(code, reason)
            },
          }
        },
        fetchInfo: (url, signal) => transport.fetchInfo(url, signal),
      }
    },
  }
}

/** What kind of message it is, without reading all of it. */
function typeOf(text: string): string {
  return /^\s*\[\s*"([A-Z-]{1,16})"/.exec(text)?.[1] ?? 'unreadable'
}

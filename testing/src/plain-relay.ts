import {
  compareNewestFirst,
  coordinateOf,
  DEFAULT_LIMITS,
  type Filter,
  matchFilter,
  type NostrEvent,
  parseFilter,
} from '@onyx-sync/shared'
import type { Accept } from './network.js'

/** A relay of NIP-01 and nothing more: of each address it keeps the newest event, and shows all to anybody. */
export function createPlainRelay(): Accept {
  const kept = new Map<string, NostrEvent>()
  const subscribers = new Set<(event: NostrEvent) => void>()

  function put(event: NostrEvent): string {
    const address = coordinateOf(event) ?? event.id
    const before = kept.get(address)
    if (before?.id === event.id) return 'duplicate: have it'
    if (before !== undefined && compareNewestFirst(event, before) > 0) return 'replaced: have newer event'
    kept.set(address, event)
    for (const tell of subscribers) tell(event)
    return ''
  }

  return (peer) => {
    const subscriptions = new Map<string, readonly Filter[]>()
    const say = (...message: unknown[]) => peer.send(JSON.stringify(message))
    const tell = (event: NostrEvent) => {
      for (const [id, filters] of subscriptions)
        if (filters.some((filter) => matchFilter(filter, event))) say('EVENT', id, event)
    }
    subscribers.add(tell)
    return {
      receive(text) {
        const [type, first, ...values] = JSON.parse(text) as [string, ...unknown[]]
        if (type === 'CLOSE') subscriptions.delete(String(first))
        if (type === 'EVENT') {
          const event = first as NostrEvent
          const reason = put(event)
          say('OK', event.id, !reason.startsWith('replaced:'), reason)
        }
        if (type === 'REQ') {
          const filters = values.map((value) => parseFilter(value, DEFAULT_LIMITS))
          const found = [...kept.values()].filter((event) =>
            filters.some((filter) => matchFilter(filter, event)),
          )
          for (const event of found.sort(compareNewestFirst)) say('EVENT', first, event)
          say('EOSE', first)
          subscriptions.set(String(first), filters)
        }
      },
      end: () => void subscribers.delete(tell),
    }
  }
}

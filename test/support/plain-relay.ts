import type { Filter, NostrEvent } from '@onyx-sync/shared'
import { compareNewestFirst, coordinateOf, DEFAULT_LIMITS, matchFilter, parseFilter } from '@onyx-sync/shared'
import type { Script, ScriptedLink } from './scripted-server.js'

/** How a plain relay behaves; each part may be replaced while it runs. */
export interface PlainRelayOptions {
  /** The NIP-11 document; undefined: it has none. @default `{ name: 'plain' }` */
  info?: unknown
  /** Most events that a query brings. @default 500 */
  cap?: number
  /** What is said of an event that is older than the one that is kept. @default 'OK false replaced' */
  older?: 'OK false replaced' | 'OK true duplicate'
  /** Answers filters that were asked before with what it found then, as relays with a cache do. @default false */
  isCaching?: boolean
  /** Sends a challenge on connecting, and where it `requires` a login serves nothing before it. @default neither */
  auth?: 'challenges' | 'requires'
  /** Has the last word on an event; undefined accepts it. */
  judge?: (event: NostrEvent) => string | undefined
}

/** A relay of NIP-01 for scripted servers: of each address it keeps the newest event. Any number may share it. */
export interface PlainRelay {
  readonly options: PlainRelayOptions
  /** What it keeps, by address. */
  readonly kept: Map<string, NostrEvent>
  /** What was sent to it, refused or not. */
  readonly published: NostrEvent[]
  script(): Partial<Script>
  /** Puts an event in, as if somebody had published it. @returns its reason to refuse it */
  put(event: NostrEvent): string
}

export function createPlainRelay(options: PlainRelayOptions = {}): PlainRelay {
  const kept = new Map<string, NostrEvent>()
  const published: NostrEvent[] = []
  const subscriptions = new Map<ScriptedLink, Map<string, readonly Filter[]>>()
  const loggedIn = new Set<ScriptedLink>()
  const cache = new Map<string, ReadonlySet<NostrEvent>>()

  function isLoginMissing(link: ScriptedLink): boolean {
    return options.auth === 'requires' && !loggedIn.has(link)
  }

  function put(event: NostrEvent): string {
    const refusal = options.judge?.(event)
    if (refusal !== undefined) return refusal
    const address = coordinateOf(event) ?? event.id
    const before = kept.get(address)
    if (before?.id === event.id) return 'duplicate: have it'
    if (before !== undefined && compareNewestFirst(event, before) > 0) return 'replaced: have newer event'
    kept.set(address, event)
    for (const [link, filters] of subscriptions) {
      for (const [id, list] of filters)
        if (list.some((filter) => matchFilter(filter, event))) link.send('EVENT', id, event)
    }
    return ''
  }

  function find(filters: readonly Filter[]): ReadonlySet<NostrEvent> {
    const found = new Set<NostrEvent>()
    for (const filter of filters) {
      const matching = [...kept.values()].filter((event) => matchFilter(filter, event))
      const limit = Math.min(filter.limit ?? Number.POSITIVE_INFINITY, options.cap ?? 500)
      for (const event of matching.sort(compareNewestFirst).slice(0, limit)) found.add(event)
    }
    return found
  }

  return {
    options,
    kept,
    published,
    put,
    script: () => ({
      info: async () => ('info' in options ? options.info : { name: 'plain' }),
      onConnect(link) {
        subscriptions.set(link, new Map())
        if (options.auth !== undefined) link.send('AUTH', 'challenge')
      },
      onAuth(link, event) {
        loggedIn.add(link)
        link.send('OK', event.id, true, '')
      },
      onMessage(link, [type, id]) {
        if (type === 'CLOSE') subscriptions.get(link)?.delete(String(id))
      },
      onReq(link, id, values) {
        if (isLoginMissing(link)) return link.send('CLOSED', id, 'auth-required: who are you?')
        const filters = values.map((value) => parseFilter(value, DEFAULT_LIMITS))
        const known = options.isCaching === true ? cache.get(JSON.stringify(values)) : undefined
        const found = known ?? find(filters)
        cache.set(JSON.stringify(values), found)
        for (const event of found) link.send('EVENT', id, event)
        link.send('EOSE', id)
        subscriptions.get(link)?.set(id, filters)
      },
      onEvent(link, event) {
        published.push(event)
        if (isLoginMissing(link)) return link.send('OK', event.id, false, 'auth-required: who are you?')
        const reason = put(event)
        if (reason.startsWith('replaced:') && options.older === 'OK true duplicate')
          return link.send('OK', event.id, true, 'duplicate: the event already exists')
        link.send('OK', event.id, reason === '' || reason.startsWith('duplicate:'), reason)
      },
    }),
  }
}

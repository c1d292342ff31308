import type { EventLog, Pages } from '@onyx-sync/server'
import { createMemoryLog, openLevelLog } from '@onyx-sync/server'
import {
  compareNewestFirst,
  DEFAULT_LIMITS,
  type Filter,
  matchFilter,
  type NostrEvent,
  parseFilter,
  silentLogger,
  systemClock,
} from '@onyx-sync/shared'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { checkEvent } from '../../server/src/core/check-event.js'
import { countEvents, queryEvents } from '../../server/src/core/query.js'
import { afterThisTest } from '../support/after-test.js'
import { chatTemplate, settingsEvent, testKey } from '../support/events.js'
import { ingestOf } from '../support/ingest.js'
import { temporaryDirectory } from '../support/temporary-directory.js'

const people = [testKey(1), testKey(2), testKey(3)]
const keys = people.map(({ publicKey }) => publicKey)
const chatIds = ['one', 'two', 'settings']
const sample = chatTemplate(people[0] as (typeof people)[0])
const settingsSample = settingsEvent(people[0] as (typeof people)[0], 'a', 'b')
const anyone = new Set(keys)
// What is signed has no part in a query, so nothing is.
const checks = {
  keys: anyone,
  verifier: { name: 'none', verify() {} },
  limits: DEFAULT_LIMITS,
}

/** One step of a history: who writes what, where, when. */
const step = fc.record({
  author: fc.nat(2),
  owner: fc.nat(2),
  kind: fc.constantFrom(30001, 30001, 30001, 10001, 1),
  chat: fc.constantFrom(...chatIds),
  members: fc.subarray([0, 1, 2]),
  createdAt: fc.integer({ min: 0, max: 6 }),
  topic: fc.constantFrom('x', 'y', undefined),
})

type Step = typeof step extends fc.Arbitrary<infer T> ? T : never

const someKeys = fc.subarray(keys)
const filterArbitrary = fc.record(
  {
    authors: someKeys,
    kinds: fc.subarray([30001, 10001, 1, 7]),
    since: fc.integer({ min: 0, max: 7 }),
    until: fc.integer({ min: 0, max: 7 }),
    limit: fc.integer({ min: 0, max: 12 }),
    '#d': fc.subarray([...chatIds, 'none']),
    '#a': fc.subarray(keys.flatMap((key) => [`30001:${key}:one`, `30001:${key}:two`, `10001:${key}:`])),
    '#p': someKeys,
    '#t': fc.subarray(['x', 'y']),
  },
  { requiredKeys: [] },
)

function toEvent(input: Step, index: number): NostrEvent {
  const pubkey = keys[input.author] as string
  const tags: string[][] = [['-']]
  if (input.topic !== undefined) tags.push(['t', input.topic])
  let content = 'training'
  if (input.kind === 10001) {
    tags.push(['d', 'settings'], ['encoding', 'yjs'])
    content = settingsSample.content
  } else if (input.kind === 30001) {
    tags.push(['d', input.chat], ['encoding', 'yjs'])
    if (input.owner !== input.author) tags.push(['a', `30001:${keys[input.owner]}:${input.chat}`])
    else for (const member of input.members) tags.push(['p', keys[member] as string])
    content = sample.content
  } else {
    tags.push(['d', input.chat])
  }
  // Ids in no relation to the order of arrival, so that ties are decided by them alone.
  const id = ((index * 2654435761) % 2 ** 32).toString(16).padStart(64, '0')
  return { id, pubkey, created_at: input.createdAt, kind: input.kind, tags, content, sig: '0'.repeat(128) }
}

/** The simplest statement of who may see what: the last accepted statement of each owner, nothing cached. */
function visibleTo(
  reader: ReadonlySet<string>,
  accepted: readonly NostrEvent[],
  isOperator: boolean,
): NostrEvent[] {
  const ownerOf = (event: NostrEvent): string =>
    event.kind === 1
      ? event.pubkey
      : (event.tags.find(([name]) => name === 'a')?.[1]?.split(':')[1] ?? event.pubkey)
  const documentOf = (event: NostrEvent): string =>
    `${event.kind} ${ownerOf(event)} ${event.tags.find(([name]) => name === 'd')?.[1]}`
  const rosters = new Map<string, { at: number; members: string[] }>()
  for (const event of accepted) {
    if (event.kind !== 30001 || ownerOf(event) !== event.pubkey) continue
    const roster = rosters.get(documentOf(event))
    if (roster !== undefined && event.created_at < roster.at) continue
    const members = event.tags.filter(([name]) => name === 'p').map((tag) => tag[1] as string)
    rosters.set(documentOf(event), { at: event.created_at, members })
  }
  return accepted.filter((event) => {
    if (reader.has(ownerOf(event)) || (isOperator && event.kind === 1)) return true
    return (
      event.kind === 30001 && rosters.get(documentOf(event))?.members.some((key) => reader.has(key)) === true
    )
  })
}

/** NIP-01 to the letter: each filter's newest `limit`, or-ed, newest first. */
function expectedAnswer(visible: readonly NostrEvent[], filters: readonly Filter[]) {
  const sorted = [...visible].sort(compareNewestFirst)
  const chosen = new Set<NostrEvent>()
  const matching = new Set<NostrEvent>()
  for (const filter of filters) {
    const matches = sorted.filter((event) => matchFilter(filter, event))
    for (const event of matches) matching.add(event)
    for (const event of matches.slice(0, filter.limit ?? matches.length)) chosen.add(event)
  }
  return {
    ids: sorted.filter((event) => chosen.has(event)).map(({ id }) => id),
    more: chosen.size < matching.size,
    count: matching.size,
  }
}

async function store(log: EventLog, events: readonly NostrEvent[]): Promise<NostrEvent[]> {
  const ingest = ingestOf(log)
  const accepted: NostrEvent[] = []
  for (const event of events) {
    ingest.submit(checkEvent(event, checks), (outcome) => {
      if (outcome === 'stored') accepted.push(event)
    })
  }
  await ingest.stop()
  return accepted
}

async function checkQueries(
  log: EventLog,
  accepted: readonly NostrEvent[],
  reader: ReadonlySet<string>,
  filters: readonly Filter[],
  isOperator: boolean,
): Promise<void> {
  const keys = { keys: reader, isOperator }
  const scope = { log, logger: silentLogger, clock: systemClock, ...keys, through: log.head }
  const expected = expectedAnswer(visibleTo(reader, accepted, isOperator), filters)
  const ids: string[] = []
  const events = queryEvents(scope, filters)
  let result = await events.next()
  for (; result.done !== true; result = await events.next())
    ids.push(...result.value.map(({ event }) => event.id))
  expect({ ids, more: result.value }).toEqual({ ids: expected.ids, more: expected.more })
  expect(await countEvents(scope, filters)).toBe(expected.count)
}

const readerArbitrary = fc.subarray(keys, { minLength: 1 })
const history = fc.array(step, { maxLength: 60 })
const queries = fc.array(
  fc.tuple(readerArbitrary, fc.array(filterArbitrary, { minLength: 1, maxLength: 3 }), fc.boolean()),
  {
    minLength: 1,
    maxLength: 8,
  },
)

const toFilters = (values: readonly object[], accepted: readonly NostrEvent[], useIds: boolean): Filter[] =>
  values.map((value, index) =>
    parseFilter(
      useIds && index === 0
        ? { ...value, ids: accepted.filter((_, at) => at % 3 === 0).map(({ id }) => id) }
        : value,
      DEFAULT_LIMITS,
    ),
  )

/** A log that lists the same, a few entries at a time. */
function inSmallPages(log: EventLog, size: number): EventLog {
  const cut = <A extends unknown[], T>(list: (...args: A) => Pages<T>) =>
    async function* (...args: A): Pages<T> {
      for await (const page of list(...args))
        for (let from = 0; from < page.length; from += size) yield page.slice(from, from + size)
    }
  return Object.assign(Object.create(log) as EventLog, {
    documentLog: cut(log.documentLog.bind(log)),
    ownerLog: cut(log.ownerLog.bind(log)),
    training: cut(log.training.bind(log)),
    listed: cut(log.listed.bind(log)),
  })
}

describe('the query engine', () => {
  it('[REQ1][REQ2][REQ3][REQ4][PERM3][OPR1] answers like a plain filter over all visible events', async () => {
    await fc.assert(
      fc.asyncProperty(history, queries, fc.boolean(), fc.nat(3), async (steps, asked, useIds, pageSize) => {
        const stored = createMemoryLog()
        const accepted = await store(stored, steps.map(toEvent))
        const log = pageSize === 0 ? stored : inSmallPages(stored, pageSize)
        for (const [reader, values, isOperator] of asked) {
          const filters = toFilters(values, accepted, useIds)
          await checkQueries(log, accepted, new Set(reader), filters, isOperator)
        }
      }),
      { numRuns: 300, seed: 20_261_122 },
    )
  })

  it('[REQ1][REQ2][REQ3][REQ4] answers the same from LevelDB, over several pages', async () => {
    const log = await openLevelLog(temporaryDirectory())
    afterThisTest(() => log.close())
    const [steps] = fc.sample(fc.array(step, { minLength: 600, maxLength: 600 }), { numRuns: 1, seed: 42 })
    const accepted = await store(log, (steps as Step[]).map(toEvent))
    expect(accepted.length).toBeGreaterThan(200)
    await fc.assert(
      fc.asyncProperty(queries, fc.boolean(), async (asked, useIds) => {
        for (const [reader, values, isOperator] of asked) {
          const filters = toFilters(values, accepted, useIds)
          await checkQueries(log, accepted, new Set(reader), filters, isOperator)
        }
      }),
      { numRuns: 40, seed: 7 },
    )
  })
})

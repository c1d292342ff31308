import { createMemoryLog, EVERYBODY, type InspectableLog, openLevelLog, verifyLog } from '@onyx-sync/server'
import {
  compareNewestFirst,
  DEFAULT_LIMITS,
  type Filter,
  isExpired,
  matchFilter,
  type NostrEvent,
  parseFilter,
  SyncError,
  silentLogger,
  systemClock,
} from '@onyx-sync/shared'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { checkEvent } from '../../server/src/core/check-event.js'
import { createServedKinds } from '../../server/src/core/plain-events.js'
import { countEvents, queryEvents } from '../../server/src/core/query.js'
import { afterThisTest } from '../support/after-test.js'
import { testKey } from '../support/events.js'
import { ingestOf } from '../support/ingest.js'
import { EXTRA_KINDS } from '../support/kinds.js'
import { temporaryDirectory } from '../support/temporary-directory.js'

const keys = [1, 2, 3].map((n) => testKey(n).publicKey)
const kinds = createServedKinds(EXTRA_KINDS)
// What is signed has no part in this, so nothing is.
const verifier = { name: 'none', verify() {} }
const checks = { keys: new Set(keys), verifier, limits: DEFAULT_LIMITS, isExtraKind: kinds.isExtra }
const identifiers = ['', 'a', 'b']

const step = fc.record({
  author: fc.nat(2),
  kind: fc.constantFrom(7, 4, 1059, 0, 30_023, 30_023, 5),
  other: fc.nat(2),
  identifier: fc.constantFrom(...identifiers),
  createdAt: fc.integer({ min: 0, max: 6 }),
  /** Of a deletion: by name, or an event that came before. */
  byName: fc.boolean(),
  target: fc.nat(),
})

type Step = typeof step extends fc.Arbitrary<infer T> ? T : never

const someKeys = fc.subarray(keys)
const filterArbitrary = fc.record(
  {
    authors: someKeys,
    kinds: fc.subarray([7, 4, 1059, 0, 30_023, 5]),
    since: fc.integer({ min: 0, max: 7 }),
    until: fc.integer({ min: 0, max: 7 }),
    limit: fc.integer({ min: 0, max: 8 }),
    '#d': fc.subarray(identifiers),
    '#p': someKeys,
  },
  { requiredKeys: [] },
)

function toEvents(steps: readonly Step[]): NostrEvent[] {
  const events: NostrEvent[] = []
  for (const [index, { author, kind, other, identifier, createdAt, byName, target }] of steps.entries()) {
    const pubkey = keys[author] as string
    const tags: string[][] = []
    if (kind === 4 || kind === 1059) tags.push(['p', keys[other] as string])
    if (kind === 30_023 && identifier !== '') tags.push(['d', identifier])
    if (kind === 5) {
      const named = byName ? undefined : events[target % Math.max(1, events.length)]?.id
      if (named !== undefined) tags.push(['e', named])
      else tags.push(['a', target % 2 === 0 ? `30023:${pubkey}:${identifier}` : `0:${pubkey}:`])
    }
    // Ids in no relation to the order of arrival, so that ties are decided by them alone.
    const id = ((index * 2654435761 + 1) % 2 ** 32).toString(16).padStart(64, '0')
    events.push({ id, pubkey, created_at: createdAt, kind, tags, content: '', sig: '0'.repeat(128) })
  }
  return events
}

const tagOf = (event: NostrEvent, name: string): string | undefined =>
  event.tags.find(([of]) => of === name)?.[1]

function nameOf(event: NostrEvent): string | undefined {
  if (event.kind === 0) return `0:${event.pubkey}:`
  return event.kind === 30_023 ? `30023:${event.pubkey}:${tagOf(event, 'd') ?? ''}` : undefined
}

function mayDelete(request: NostrEvent, event: NostrEvent): boolean {
  return event.pubkey === request.pubkey || (event.kind === 1059 && tagOf(event, 'p') === request.pubkey)
}

/** NIP-01 and NIP-09 to the letter, and slowly: what is left of a sequence of events. */
class Model {
  left: NostrEvent[] = []
  readonly #requests: NostrEvent[] = []

  /** @returns whether it is taken */
  take(event: NostrEvent): boolean {
    if (event.kind === 5) {
      this.#requests.push(event)
      this.left = [...this.left.filter((one) => !this.#isDeleted(one)), event]
      return true
    }
    if (this.#isDeleted(event)) return false
    const name = nameOf(event)
    const same = this.left.filter((one) => name !== undefined && nameOf(one) === name)
    if (same.some((one) => compareNewestFirst(one, event) < 0)) return false
    this.left = [...this.left.filter((one) => !same.includes(one)), event]
    return true
  }

  #isDeleted(event: NostrEvent): boolean {
    if (event.kind === 5) return false
    return this.#requests.some((request) => {
      if (tagOf(request, 'e') === event.id) return mayDelete(request, event)
      const name = nameOf(event)
      return name !== undefined && tagOf(request, 'a') === name && event.created_at <= request.created_at
    })
  }
}

function isVisible(event: NostrEvent, reader: readonly string[]): boolean {
  if (event.kind === 1059) return reader.includes(tagOf(event, 'p') ?? '')
  if (event.kind === 4) return [event.pubkey, tagOf(event, 'p') ?? ''].some((key) => reader.includes(key))
  // One that names events by name says what they are; by id, only with a k tag.
  return event.kind === 5 ? reader.includes(event.pubkey) || tagOf(event, 'a') !== undefined : true
}

async function run(log: InspectableLog, steps: readonly Step[]): Promise<Model> {
  const ingest = ingestOf(log)
  const model = new Model()
  const expected: boolean[] = []
  const actual: boolean[] = []
  for (const event of toEvents(steps)) {
    expected.push(model.take(event))
    ingest.submit(checkEvent(event, checks), (outcome) => actual.push(!(outcome instanceof SyncError)), 'all')
  }
  await ingest.stop()
  expect(actual).toEqual(expected)
  return model
}

async function checkQuery(
  log: InspectableLog,
  { left }: Model,
  reader: readonly string[],
  filters: readonly Filter[],
): Promise<void> {
  const visible = left
    .filter((event) => isVisible(event, reader) && !isExpired(event, Date.now()))
    .sort(compareNewestFirst)
  const chosen = new Set<NostrEvent>()
  const matching = new Set<NostrEvent>()
  for (const filter of filters) {
    const matches = visible.filter((event) => matchFilter(filter, event))
    for (const event of matches) matching.add(event)
    for (const event of matches.slice(0, filter.limit ?? matches.length)) chosen.add(event)
  }
  const readers = new Set(kinds.readersFor(reader, filters))
  const scope = { log, logger: silentLogger, clock: systemClock, keys: readers, kinds, through: log.head }
  const ids: string[] = []
  for await (const page of queryEvents(scope, filters)) ids.push(...page.map(({ event }) => event.id))
  expect(ids).toEqual(visible.filter((event) => chosen.has(event)).map(({ id }) => id))
  expect(await countEvents(scope, filters)).toBe(matching.size)
  // What came in the order of the log, by position: the same without limits and times.
  for (const key of [...reader, EVERYBODY]) {
    for await (const page of log.feed(key, 0, log.head)) {
      for (const json of await log.load(page))
        expect(isVisible(JSON.parse(json as string) as NostrEvent, reader)).toBe(true)
    }
  }
}

const asked = fc.array(
  fc.tuple(
    fc.subarray(keys, { minLength: 1 }),
    fc.array(filterArbitrary, { minLength: 1, maxLength: 3 }),
    fc.boolean(),
  ),
  { minLength: 1, maxLength: 6 },
)

async function checkAll(
  log: InspectableLog,
  steps: readonly Step[],
  questions: typeof asked extends fc.Arbitrary<infer T> ? T : never,
): Promise<void> {
  const model = await run(log, steps)
  for (const [reader, values, byIds] of questions) {
    const ids = toEvents(steps)
      .filter((_, index) => index % 3 === 0)
      .map(({ id }) => id)
    const filters = values.map((value) => parseFilter(byIds ? { ...value, ids } : value, DEFAULT_LIMITS))
    await checkQuery(log, model, reader, filters)
  }
  const faults: string[] = []
  await verifyLog(log, { verifier, onFault: ({ message }) => faults.push(message) })
  expect(faults).toEqual([])
}

describe('further kinds', () => {
  it('[KND2][KND3][KND7][KND10] whatever comes in whatever order, what is left is what NIP-01 and NIP-09 say', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 50 }), asked, (steps, questions) =>
        checkAll(createMemoryLog(), steps, questions),
      ),
      { numRuns: 200, seed: 20_261_128 },
    )
  })

  it('[KND2][KND3][KND7][KND10] the same on LevelDB', async () => {
    const sampled = fc.sample(fc.tuple(fc.array(step, { minLength: 150, maxLength: 200 }), asked), {
      numRuns: 3,
      seed: 5,
    })
    for (const [steps, questions] of sampled) {
      const log = await openLevelLog(temporaryDirectory())
      afterThisTest(() => log.close())
      await checkAll(log, steps, questions)
    }
  })
})

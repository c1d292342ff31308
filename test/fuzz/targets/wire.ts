import {
  checkAuthEvent,
  DEFAULT_LIMITS,
  matchFilter,
  mayMatchDocument,
  type NostrEvent,
  parseAddress,
  parseClientMessage,
  parseEvent,
  parseFilter,
  parsePlainState,
  parsePresence,
  parseRelayMessage,
  parseStateEvent,
  parseSummaryEvent,
  parseWritersEvent,
  pureVerifier,
  SyncError,
  stringifyEvent,
} from '@onyx-sync/shared'
import { inputOf, jsonOf, type Target, textOf } from '../target.js'
import {
  anySignature,
  CHALLENGE,
  jsonInput,
  NOW_MS,
  RELAY_URL,
  sampleTemplates,
  serverTemplates,
  settingsTemplate,
  signed,
} from './samples.js'

/** What `parse` gives; undefined where it refuses with a code, which is how it may. */
export function accepted<T>(parse: () => T): T | undefined {
  try {
    return parse()
  } catch (error) {
    if (error instanceof SyncError) return undefined
    throw error
  }
}

function assert(holds: boolean, what: string): void {
  if (!holds) throw new Error(what)
}

const FILTERS = [
  { kinds: [30001], '#d': ['chat'], after: '' },
  { ids: ['e5'.repeat(32)], authors: ['a1'.repeat(32)], since: 1, until: 2, limit: 3 },
  { '#p': ['b2'.repeat(32)], '#e': ['e5'.repeat(32)], '#a': ['30001:x:y'], states: false },
  { kinds: [30001], after: '1.db.0123456789abcdef.z.1', summaries: true },
]

export const messages: Target = {
  name: 'messages',
  percent: 70,
  summary: 'messages of a client, and of a server',
  kind: 'json',
  modules: ['/shared/dist/messages.js'],
  seeds: () => [
    ...FILTERS.map((filter) => jsonInput(['REQ', 'sub', filter])),
    ...['EVENT', 'AUTH'].map((type) => jsonInput([type, signed(settingsTemplate())])),
    jsonInput(['COUNT', 'c', {}, {}]),
    jsonInput(['CLOSE', 'c']),
    jsonInput(['NEG-OPEN', 'n', {}, '6100']),
    jsonInput(['EVENT', 's', {}, '1.db.0.z.1']),
    jsonInput(['OK', 'e5'.repeat(32), true, '']),
    jsonInput(['EOSE', 's', ['finish', 'cursor:1.db.0.z.1']]),
    jsonInput(['CLOSED', 's', 'error: x']),
    jsonInput(['AUTH', 'challenge']),
    jsonInput(['NOTICE', 'x']),
  ],
  run(input) {
    const text = textOf(input)
    const message = accepted(() => parseClientMessage(text, DEFAULT_LIMITS))
    if (message !== undefined && 'subscriptionId' in message) {
      const { length } = message.subscriptionId
      assert(
        length >= 1 && length <= DEFAULT_LIMITS.maxSubscriptionIdLength,
        'a subscription id out of bounds',
      )
    }
    accepted(() => parseRelayMessage(text))
  },
}

export const filters: Target = {
  name: 'filters',
  percent: 60,
  summary: 'filters of NIP-01 and of the sync extension',
  kind: 'json',
  modules: ['/shared/dist/filter.js'],
  seeds: () => FILTERS.map(jsonInput),
  run(input) {
    const value = jsonOf(input)
    const filter = accepted(() => parseFilter(value, DEFAULT_LIMITS))
    if (filter === undefined) return
    for (const event of FILTERED) matchFilter(filter, event)
    mayMatchDocument(filter, ADDRESS)
  },
}

const FILTERED = [settingsTemplate(), ...sampleTemplates()].map((template) => signed(template))
const ADDRESS = parseAddress(`30001:${'a1'.repeat(32)}:chat`) as NonNullable<ReturnType<typeof parseAddress>>

export const auth: Target = {
  name: 'auth',
  percent: 40,
  summary: 'answers to a challenge (NIP-42)',
  kind: 'json',
  modules: ['/shared/dist/auth-event.js'],
  seeds: () =>
    sampleTemplates()
      .slice(-1)
      .map((template) => jsonInput(signed(template))),
  run(input) {
    const value = jsonOf(input)
    const expected = { challenge: CHALLENGE, relayUrls: [RELAY_URL], nowMs: NOW_MS }
    const key = accepted(() =>
      checkAuthEvent(parseEvent(value, DEFAULT_LIMITS), expected, anySignature, DEFAULT_LIMITS),
    )
    if (key === undefined) return
    const { kind, tags } = value as { kind: number; tags: string[][] }
    const holds = kind === 22_242 && tags.some(([name, text]) => name === 'challenge' && text === CHALLENGE)
    assert(holds, 'an answer without the challenge was taken')
  },
}

export const signature: Target = {
  name: 'signature',
  percent: 2,
  summary: 'ids and signatures, really checked',
  kind: 'json',
  modules: ['/shared/dist/pure-verifier.js', '/shared/dist/event.js'],
  seeds: () => [jsonInput(GENUINE)],
  run(input) {
    const value = jsonOf(input)
    const event = accepted(() => parseEvent(value, DEFAULT_LIMITS))
    if (event === undefined) return
    const isTaken = accepted(() => {
      pureVerifier.verify(event)
      return true
    })
    if (isTaken === true)
      assert(stringifyEvent(event) === GENUINE_TEXT, 'another event was taken for genuine')
  },
}

/** Signed once and for all: a signature holds a random part, and a seed has to give the same inputs always. */
const GENUINE: NostrEvent = {
  id: '04cbe092002fc7b628cfc9a9378929825cf1c33773b173bb900aac47cd26f853',
  pubkey: '989c0b76cb563971fdc9bef31ec06c3560f3249d6ee9e5d83c57625596e05f6f',
  created_at: 1_764_000_000,
  kind: 1,
  tags: [['t', 'training'], ['-']],
  content: 'genuine "\n🙂',
  sig: '0ddfc1db3cf65e78b083f1907c1e24acb1a204754293654254a460c6a6b497bd8b73ad6e2ee4bc3ed6663660ea904b03b1ec556c90460cf94d1307dd2d17da61',
}
const GENUINE_TEXT = stringifyEvent(GENUINE)

export const presence: Target = {
  name: 'presence',
  percent: 20,
  summary: 'who is there',
  kind: 'json',
  modules: ['/shared/dist/presence.js'],
  seeds: () =>
    sampleTemplates()
      .filter(({ kind }) => kind === 20_001)
      .map((template) => jsonInput(signed(template))),
  run(input) {
    const value = jsonOf(input)
    const found = accepted(() => parsePresence(parseEvent(value, DEFAULT_LIMITS), DEFAULT_LIMITS))
    if (found === undefined) return
    assert(found.entries.length <= DEFAULT_LIMITS.maxPresenceClients, 'more clients than allowed')
  },
}

export const states: Target = {
  name: 'states',
  percent: 10,
  summary: 'merged states, as a device reads them',
  kind: 'json',
  modules: ['/shared/dist/state-event.js'],
  seeds: () => serverTemplates().states.map((template) => jsonInput(signed(template))),
  run(input) {
    const value = jsonOf(input)
    accepted(() => parseStateEvent(parseEvent(value, DEFAULT_LIMITS), DEFAULT_LIMITS))
  },
}

export const summaries: Target = {
  name: 'summaries',
  percent: 20,
  summary: 'summaries, as a device reads them',
  kind: 'json',
  modules: ['/shared/dist/summary-event.js'],
  seeds: () => serverTemplates().summaries.map((template) => jsonInput(signed(template))),
  run(input) {
    const value = jsonOf(input)
    accepted(() => parseSummaryEvent(parseEvent(value, DEFAULT_LIMITS), DEFAULT_LIMITS))
    accepted(() => parsePlainState(parseEvent(value, DEFAULT_LIMITS), DEFAULT_LIMITS))
  },
}

export const writers: Target = {
  name: 'writers',
  percent: 20,
  summary: 'whose client ids are whose, as a device reads it',
  kind: 'json',
  modules: ['/shared/dist/writers-event.js'],
  seeds: () => serverTemplates().writers.map((template) => jsonInput(signed(template))),
  run(input) {
    const value = jsonOf(input)
    accepted(() => parseWritersEvent(parseEvent(value, DEFAULT_LIMITS), DEFAULT_LIMITS))
  },
}

/** Text that is no JSON, for parsers that take any. */
export function textInputs(...texts: readonly string[]): Uint8Array[] {
  return texts.map(inputOf)
}

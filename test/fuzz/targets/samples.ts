import {
  chatAddress,
  createAuthTemplate,
  createPresenceTemplate,
  createStateTemplate,
  createSummaryTemplate,
  createUpdateTemplate,
  createWritersTemplate,
  EMPTY_ROSTER,
  type EventTemplate,
  type EventVerifier,
  formatAddress,
  type NostrEvent,
  settingsAddress,
} from '@onyx-sync/shared'
import * as Y from 'yjs'
import { inputOf } from '../target.js'

/** Keys, ids and signatures of inputs. None is real: what checks them is left to `verifying`. */
export const OWNER = 'a1'.repeat(32)
export const MEMBER = 'b2'.repeat(32)
export const SERVER = 'c3'.repeat(32)
export const CHALLENGE = 'd4'.repeat(16)
export const RELAY_URL = 'ws://127.0.0.1:7447/sync'
export const NOW_MS = 1_764_000_000_000

/** Takes every id and signature, so that inputs get behind them. Real ones are what `signature` is for. */
export const anySignature: EventVerifier = { name: 'any', verify() {} }

/** An event of the right shape. */
export function signed(template: EventTemplate, pubkey = OWNER, id = 'e5'.repeat(32)): NostrEvent {
  const { kind, created_at, tags, content } = template
  return { id, pubkey, created_at, kind, tags, content, sig: 'f6'.repeat(64) }
}

/** An input that is JSON. */
export function jsonInput(value: unknown): Uint8Array {
  return inputOf(JSON.stringify(value))
}

/** Updates of chats of several shapes, by client ids that don't change. */
export function sampleUpdates(): Uint8Array[] {
  const plain = new Y.Doc()
  plain.clientID = 1_001
  plain.getMap('metadata').set('title', 'Oslo')
  plain.getArray('messages').push([new Y.Map(Object.entries({ id: 'm1', role: 'user', createdAt: 1 }))])
  const rich = new Y.Doc()
  rich.clientID = 2_002
  Y.applyUpdate(rich, Y.encodeStateAsUpdate(plain))
  const message = new Y.Map<unknown>()
  rich.getArray('messages').push([message])
  const text = new Y.Text('some text 🙂')
  message.set('content', text)
  message.set('more', { list: [1, 2.5, null, true, 'x', 12n], bytes: new Uint8Array([1, 2, 3]) })
  text.format(0, 4, { bold: true })
  text.insertEmbed(2, { image: 'x' })
  rich.getArray('messages').delete(0)
  const values = new Y.Doc()
  values.clientID = 3_003
  values.getArray('messages').push([1, 2, 3, 4, 5, 6])
  values.getArray('messages').delete(2, 2)
  const increment = Y.encodeStateAsUpdate(rich, Y.encodeStateVector(plain))
  return [plain, rich, values]
    .map((doc) => Y.encodeStateAsUpdate(doc))
    .concat([increment, new Uint8Array([0, 0])])
}

/** Templates of every kind that a client may send. */
export function sampleTemplates(): EventTemplate[] {
  const address = chatAddress(OWNER, 'chat')
  const createdAt = NOW_MS / 1000
  const roster = {
    baseAt: 0,
    entries: [
      { pubkey: MEMBER, role: 'write', at: createdAt, relay: 'wss://relay' },
      { pubkey: 'e5'.repeat(32), role: 'none', at: createdAt, relay: '' },
    ],
  } as const
  const base = { address, author: OWNER, roster, createdAt }
  const updates = sampleUpdates().flatMap((update, index) => [
    createUpdateTemplate({ ...base, framed: { update, checkpoint: index % 2 === 1 } }),
  ])
  const [update = new Uint8Array([0, 0])] = sampleUpdates()
  const large = new Y.Doc()
  large.clientID = 4_004
  large.getArray('messages').push(['long '.repeat(200)])
  const framed = { update: Y.encodeStateAsUpdate(large), checkpoint: true }
  return [
    ...updates,
    createUpdateTemplate({ ...base, framed }),
    createUpdateTemplate({ ...base, framed, part: { group: 'abcdef01', index: 0, count: 2 } }),
    createUpdateTemplate({ ...base, author: MEMBER, framed: { update, checkpoint: false } }),
    createPresenceTemplate({
      address,
      entries: [
        { clientId: 7, clock: 1, state: { typing: true } },
        { clientId: 8, clock: 2, state: null },
      ],
      createdAt,
    }),
    { kind: 1, created_at: createdAt, tags: [['t', 'training'], ['-']], content: 'text' },
    {
      kind: 5,
      created_at: createdAt,
      tags: [
        ['a', formatAddress(address)],
        ['e', 'e5'.repeat(32)],
      ],
      content: '',
    },
    createAuthTemplate(RELAY_URL, CHALLENGE, NOW_MS),
  ]
}

/** An update of an account's settings. */
export function settingsTemplate(): EventTemplate {
  const doc = new Y.Doc()
  doc.clientID = 5_005
  doc.getMap('preferences').set('theme', 'dark')
  return createUpdateTemplate({
    address: settingsAddress(OWNER),
    author: OWNER,
    roster: EMPTY_ROSTER,
    createdAt: NOW_MS / 1000,
    framed: { update: Y.encodeStateAsUpdate(doc), checkpoint: false },
  })
}

/** What only a server says. */
export function serverTemplates(): Readonly<Record<'states' | 'summaries' | 'writers', EventTemplate[]>> {
  const createdAt = NOW_MS / 1000
  const documents = sampleUpdates()
    .slice(0, 3)
    .map((update, index) => ({
      address: `30001:${OWNER}:chat ${index}`,
      update,
      log: { bytes: 100, statedAt: -1 },
    }))
  const progress = { done: 1, total: 3 }
  const summary = {
    address: `30001:${OWNER}:chat`,
    title: 'Oslo',
    createdAt: 1,
    lastActivity: 2,
    messages: 3,
    bytes: 4,
    archived: false,
    deleted: false,
  }
  return {
    states: [
      createStateTemplate({ documents, progress, createdAt }),
      createStateTemplate({
        documents: documents.slice(0, 1),
        part: { group: 'abcdef01', index: 1, count: 3 },
        createdAt,
      }),
    ],
    summaries: [
      createSummaryTemplate({ documents: [summary, { ...summary, address: `10001:${OWNER}:` }], createdAt }),
    ],
    writers: [
      createWritersTemplate({
        documents: [
          { address: `30001:${OWNER}:chat`, writers: { [OWNER]: [7, 2 ** 32 - 1], ['b2'.repeat(32)]: [0] } },
          { address: `30001:${OWNER}:empty`, writers: {} },
        ],
        createdAt,
      }),
    ],
  }
}

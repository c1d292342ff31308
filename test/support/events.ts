import {
  chatAddress,
  createAuthTemplate,
  createDeletionTemplate,
  createPresenceTemplate,
  createUpdateTemplate,
  type DeletionInput,
  decideRoster,
  EMPTY_ROSTER,
  type EventTemplate,
  MEMBERS_AT_TAG,
  type Member,
  type NostrEvent,
  type Part,
  type PresenceEntry,
  type Roster,
  settingsAddress,
} from '@onyx-sync/shared'
import { createSeededRandom } from '@onyx-sync/testing'
import { finalizeEvent, getPublicKey } from 'nostr-tools/pure'
import * as Y from 'yjs'

/** A key pair of a test. */
export interface TestKey {
  readonly secretKey: Uint8Array
  readonly publicKey: string
}

/** The n-th key: always the same. */
export function testKey(n: number): TestKey {
  const secretKey = new Uint8Array(32).fill(7)
  secretKey[31] = n
  return { secretKey, publicKey: getPublicKey(secretKey) }
}

/** A signed copy of a template; a plain object, as it would come out of JSON. */
export function sign(key: TestKey, template: EventTemplate): NostrEvent {
  return JSON.parse(JSON.stringify(finalizeEvent({ ...template }, key.secretKey))) as NostrEvent
}

/** A roster of keys that were let in at some time, all with the role `write`. */
export function rosterOf(keys: readonly TestKey[], atSeconds = 1_764_000_000): Roster {
  const decisions = keys.map(({ publicKey }) => ({ pubkey: publicKey, role: 'write' as const }))
  return decideRoster(EMPTY_ROSTER, decisions, atSeconds)
}

/** The members of a chat, all with the role `write`. */
export function membersOf(...keys: readonly TestKey[]): Member[] {
  return keys.map(({ publicKey }) => ({ pubkey: publicKey, role: 'write' }))
}

/**
 * Text of a length that DEFLATE can't make much shorter: as base64 in an event it takes about its length again.
 * The same length and name always give the same text.
 */
export function noise(length: number, name = 'noise'): string {
  const bytes = createSeededRandom(name).bytes(Math.ceil((length * 3) / 4))
  return Buffer.from(bytes).toString('base64').slice(0, length)
}

/** A Yjs update that appends one message to an empty chat, by a client of its own. */
export function messageUpdate(text: string): Uint8Array {
  const doc = new Y.Doc()
  doc.getArray('messages').push([new Y.Map(Object.entries({ content: text }))])
  return Y.encodeStateAsUpdate(doc)
}

let clockSeconds = 1_764_000_000

export interface ChatEventOptions {
  readonly chatId?: string
  /** @default the author */
  readonly owner?: TestKey
  /** The whole list, stated with this event, as a plain client does it. @default nobody */
  readonly members?: readonly Member[]
  /** What a device knows to be decided about members, instead of `members`. */
  readonly roster?: Roster
  /** @default one second after the last */
  readonly createdAt?: number
  readonly text?: string
  readonly update?: Uint8Array
  /** Frames the update as the whole state. @default false */
  readonly checkpoint?: boolean
  readonly part?: Part
}

/** The template of an update event of a chat. */
export function chatTemplate(author: TestKey, options: ChatEventOptions = {}): EventTemplate {
  const owner = options.owner ?? author
  const template = createUpdateTemplate({
    address: chatAddress(owner.publicKey, options.chatId ?? 'chat'),
    author: author.publicKey,
    framed: {
      update: options.update ?? messageUpdate(options.text ?? 'hello'),
      checkpoint: options.checkpoint ?? false,
    },
    roster: options.roster ?? EMPTY_ROSTER,
    createdAt: options.createdAt ?? ++clockSeconds,
    part: options.part,
  })
  if (options.roster !== undefined || owner !== author) return template
  const stated = (options.members ?? []).map(({ pubkey }) => ['p', pubkey])
  return { ...template, tags: [...template.tags.filter(([name]) => name !== MEMBERS_AT_TAG), ...stated] }
}

/** A signed update event of a chat. */
export function chatEvent(author: TestKey, options: ChatEventOptions = {}): NostrEvent {
  return sign(author, chatTemplate(author, options))
}

/** A signed update event of an account's settings. */
export function settingsEvent(
  author: TestKey,
  key: string,
  value: string,
  createdAt = ++clockSeconds,
): NostrEvent {
  const doc = new Y.Doc()
  doc.getMap('preferences').set(key, value)
  return sign(
    author,
    createUpdateTemplate({
      address: settingsAddress(author.publicKey),
      author: author.publicKey,
      framed: { update: Y.encodeStateAsUpdate(doc), checkpoint: false },
      roster: EMPTY_ROSTER,
      createdAt,
    }),
  )
}

/** A signed training data contribution. */
export function trainingEvent(author: TestKey, content = 'data', createdAt = ++clockSeconds): NostrEvent {
  return sign(author, { kind: 1, created_at: createdAt, tags: [['-'], ['quality', '5']], content })
}

/** A signed deletion request (NIP-09). */
export function deletionEvent(author: TestKey, input: Partial<DeletionInput>): NostrEvent {
  return sign(author, createDeletionTemplate({ createdAt: ++clockSeconds, ...input }))
}

/** One awareness client, as a presence event tells of it. */
export function client(
  clientId: number,
  clock: number,
  state: Record<string, unknown> | null = { typing: true },
): PresenceEntry {
  return { clientId, clock, state }
}

/** A signed presence event in a chat. */
export function presenceEvent(
  author: TestKey,
  entries: PresenceEntry | readonly PresenceEntry[],
  options: { readonly chatId?: string; readonly owner?: TestKey } = {},
): NostrEvent {
  const address = chatAddress((options.owner ?? author).publicKey, options.chatId ?? 'chat')
  return sign(
    author,
    createPresenceTemplate({ address, entries: [entries].flat(), createdAt: ++clockSeconds }),
  )
}

/** A signed AUTH event for a challenge. */
export function authEvent(key: TestKey, url: string, challenge: string, nowMs = Date.now()): NostrEvent {
  return sign(key, createAuthTemplate(url, challenge, nowMs))
}

/** The address of a chat as text. */
export function chatAddressText(owner: TestKey, chatId = 'chat'): string {
  return `30001:${owner.publicKey}:${chatId}`
}

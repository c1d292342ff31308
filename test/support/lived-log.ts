import type { InspectableLog } from '@onyx-sync/server'
import {
  createUpdateTemplate,
  DEFAULT_LIMITS,
  EMPTY_ROSTER,
  type EventTemplate,
  type EventVerifier,
  hasPending,
  type NostrEvent,
  settingsAddress,
  silentLogger,
  splitUpdate,
} from '@onyx-sync/shared'
import fc from 'fast-check'
import * as Y from 'yjs'
import { checkEvent } from '../../server/src/core/check-event.js'
import { createLocalMerger } from '../../server/src/core/local-merger.js'
import { createMergedStates } from '../../server/src/core/merged-state.js'
import { createQuickKey, quickVerifier } from '../../testing/src/quick-keys.js'
import { change, updateOf } from './chat-copy.js'
import { chatAddressText, chatTemplate, membersOf } from './events.js'
import { ingestOf } from './ingest.js'

/** Signatures that cost next to nothing: what matters is what is made of events. */
function quickKey(name: string) {
  const { pubkey, signer } = createQuickKey(name)
  return { publicKey: pubkey, secretKey: new Uint8Array(32), signer }
}

const owner = quickKey('owner')
const others = [quickKey('one'), quickKey('two')]
const authors = [owner, owner, ...others]

/** Checks the events of {@link liveIn}. */
export const livedVerifier: EventVerifier = quickVerifier
/** The chat that all of them write to. */
export const livedAddress = chatAddressText(owner)

const checks = {
  keys: new Set(authors.map(({ publicKey }) => publicKey)),
  verifier: quickVerifier,
  limits: DEFAULT_LIMITS,
}

/** One thing that one of four devices does: two of the owner, one of each member. */
export interface LivedStep {
  readonly device: number
  readonly act: (typeof ACTS)[number]
  /** Decides the details. */
  readonly at: number
}

const EDITS = [
  'append',
  'delete',
  'set',
  'nest',
  'format',
  'parts',
  'checkpoint',
  'share',
  'settings',
  'training',
] as const
const ACTS = [...EDITS, 'append', 'lose', 'receive', 'keep', 'settle'] as const

/** Any history of 5 to 40 steps, of all acts or of some. */
export function livedSteps(acts: readonly LivedStep['act'][] = ACTS): fc.Arbitrary<readonly LivedStep[]> {
  return fc.array(
    fc.record({ device: fc.nat(authors.length - 1), act: fc.constantFrom(...acts), at: fc.nat(1000) }),
    { minLength: 5, maxLength: 40 },
  )
}

/**
 * Writes a history to an empty log, with everything that a server does to one: members come and go, some events
 * share a commit, checkpoints take the place of others, some updates hang on what never came, and merged states
 * are kept at any moment. Everybody is honest.
 *
 * @returns why events were refused
 */
export async function liveIn(log: InspectableLog, steps: readonly LivedStep[]): Promise<readonly string[]> {
  const ingest = ingestOf(log)
  const states = createMergedStates({ log, logger: silentLogger, merger: createLocalMerger() })
  const underWay: Promise<void>[] = []
  const refused: string[] = []
  let members = others

  async function submit({ signer }: typeof owner, template: EventTemplate): Promise<void> {
    const event = await signer.signEvent(template)
    underWay.push(
      new Promise((resolve) => {
        ingest.submit(checkEvent(event, checks), (outcome) => {
          if (outcome instanceof Error) refused.push(outcome.message)
          resolve()
        })
      }),
    )
  }

  /** Each edit in parts has one of its own, whatever chance gives two of them. */
  let groups = 0

  async function run({ device, act, at }: LivedStep): Promise<void> {
    const doc = docs[device] as Y.Doc
    const author = authors[device] as typeof owner
    const publish = (update: Uint8Array, checkpoint = false) =>
      submit(author, chatTemplate(author, { owner, members: membersOf(...members), update, checkpoint }))
    switch (act) {
      case 'append':
        return publish(change(doc, (list) => list.insert(at % (list.length + 1), [`${device}:${at}`])))
      case 'delete':
        if (doc.getArray('messages').length === 0) return
        return publish(change(doc, (list) => list.delete(at % list.length, 1)))
      case 'set':
        return publish(change(doc, () => doc.getMap('metadata').set(`k${at % 3}`, at)))
      case 'nest':
        return publish(
          change(doc, (list) => {
            const text = new Y.Text('a text')
            list.push([new Y.Map<unknown>([['content', text]])])
            text.insert(at % 6, 'longer')
            text.delete(at % 3, 2)
          }),
        )
      case 'format': {
        const texts = doc
          .getArray('messages')
          .toArray()
          .flatMap((item) => (item instanceof Y.Map ? (item.get('content') as Y.Text) : []))
        const text = texts[at % Math.max(1, texts.length)]
        if (text === undefined) return
        return publish(change(doc, () => text.format(at % 4, 3, { bold: at % 5 === 0 ? null : true })))
      }
      case 'parts': {
        const words = Array.from({ length: 30 }, (_, index) => `word ${at} ${index}`)
        const update = change(doc, (list) => list.push(words))
        const updates = splitUpdate(update, 128)
        const group = String(++groups).padStart(10, '0')
        // The last one never comes.
        const sent = at % 5 === 0 ? updates.slice(1) : updates
        for (const piece of sent) {
          const part = { group, index: updates.indexOf(piece), count: updates.length }
          const state = { owner, members: membersOf(...members), update: piece, checkpoint: false, part }
          await submit(author, chatTemplate(author, state))
        }
        return
      }
      case 'checkpoint':
        // Who waits for something makes none: it would bring in what is others'.
        if (hasPending(doc)) return
        return publish(Y.encodeStateAsUpdate(doc), true)
      case 'share': {
        members = others.filter((_, index) => (at >> index) % 2 === 0)
        const update = change(docs[device % 2] as Y.Doc, (list) => list.push(['shared']))
        return submit(owner, chatTemplate(owner, { members: membersOf(...members), update }))
      }
      case 'settings': {
        const preferences = new Y.Doc()
        preferences.getMap('preferences').set(`k${at % 3}`, at)
        const framed = { update: Y.encodeStateAsUpdate(preferences), checkpoint: false }
        const { publicKey } = author
        return submit(
          author,
          createUpdateTemplate({
            address: settingsAddress(publicKey),
            author: publicKey,
            framed,
            roster: EMPTY_ROSTER,
            createdAt: at,
          }),
        )
      }
      case 'training':
        return submit(author, { kind: 1, created_at: at, tags: [['-']], content: `${device}:${at}` })
      case 'lose':
        // Made and never sent: what builds on it hangs in the air.
        change(doc, (list) => list.push([`lost ${at}`]))
        return
      case 'receive':
        await Promise.all(underWay)
        for await (const page of log.documentLog(livedAddress, 0, log.head)) {
          for (const json of await log.load(page.map(({ seq }) => seq)))
            Y.applyUpdate(doc, updateOf(JSON.parse(json as string) as NostrEvent))
        }
        return
      case 'keep':
        await Promise.all(underWay)
        return keep()
      case 'settle':
        await Promise.all(underWay)
    }
  }

  async function keep(): Promise<void> {
    const kept = await states.read(livedAddress, async (doc, throughSeq) => {
      return { throughSeq, updates: await doc.state() }
    })
    const { throughSeq, updates } = kept
    if (updates !== undefined) await log.keepState(livedAddress, { throughSeq, updates })
  }

  const first = change(new Y.Doc(), (list) => list.push(['first']))
  const docs = authors.map(() => {
    const doc = new Y.Doc()
    Y.applyUpdate(doc, first)
    return doc
  })
  await submit(owner, chatTemplate(owner, { members: membersOf(...members), update: first }))
  for (const step of steps) await run(step)
  await ingest.stop()
  return refused
}

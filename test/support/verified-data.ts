import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  type Fault,
  type InspectableLog,
  openLevelLog,
  type VerifyOptions,
  type VerifyReport,
  verifyLog,
} from '@onyx-sync/server'
import { DEFAULT_LIMITS, type NostrEvent, pureVerifier } from '@onyx-sync/shared'
import { afterAll, beforeAll } from 'vitest'
import * as Y from 'yjs'
import { checkEvent } from '../../server/src/core/check-event.js'
import { append, copyOf, mergedFrom } from './chat-copy.js'
import {
  chatAddressText,
  chatEvent,
  membersOf,
  settingsEvent,
  type TestKey,
  testKey,
  trainingEvent,
} from './events.js'
import { ingestOf } from './ingest.js'
import { temporaryDirectory } from './temporary-directory.js'

export const alice = testKey(1)
export const bob = testKey(2)
/** A chat of alice's with bob; its state is kept at position 3, and the event at 4 comes after it. */
export const SHARED = chatAddressText(alice, 'shared')
/** A chat with a checkpoint at 7 that stands for 5 and 6. */
export const PACKED = chatAddressText(alice, 'packed')
/** A chat that bob has left; what he once could read, at 10, was superseded with 11 by 12. */
export const LEFT = chatAddressText(alice, 'left')
/** A chat whose one event, at 13, hangs on something that never came. */
export const GAP = chatAddressText(alice, 'gap')
/** Position of an event of no document. */
export const TRAINING_SEQ = 8

/** A small database with one of each thing that can be in one. */
export interface VerifiedData {
  /** The events, by position. */
  readonly events: ReadonlyMap<number, NostrEvent>
  /** Id of a part that waits for another one. */
  readonly partId: string
  /** A copy of the directory, removed after the test. */
  copy(): string
}

async function fill(data: string): Promise<Pick<VerifiedData, 'events' | 'partId'>> {
  const log = await openLevelLog(data)
  const ingest = ingestOf(log)
  const keys = new Set([alice.publicKey, bob.publicKey])
  const events = new Map<number, NostrEvent>()
  const store = (event: NostrEvent) =>
    new Promise<string>((resolve, reject) => {
      const checked = checkEvent(event, { keys, verifier: pureVerifier, limits: DEFAULT_LIMITS })
      ingest.submit(checked, (outcome) => {
        if (outcome !== 'stored') return reject(outcome instanceof Error ? outcome : new Error(outcome))
        if (!events.has(log.head)) events.set(log.head, event)
        resolve(event.id)
      })
    })
  const edit = (author: TestKey, chatId: string, update: Uint8Array, more = {}) =>
    store(chatEvent(author, { owner: alice, chatId, update, ...more }))
  const members = membersOf(bob)

  const shared = new Y.Doc()
  await edit(alice, 'shared', append(shared, 'one'), { members })
  const bobs = copyOf(Y.encodeStateAsUpdate(shared))
  await edit(bob, 'shared', append(bobs, 'two'))
  await edit(alice, 'shared', append(shared, 'three'), { members })
  const state = mergedFrom([...events.values()])
  await log.keepState(SHARED, { throughSeq: 3, updates: [Y.encodeStateAsUpdate(state)] })
  await edit(bob, 'shared', append(bobs, 'four'))

  const packed = new Y.Doc()
  await edit(alice, 'packed', append(packed, 'one'))
  await edit(alice, 'packed', append(packed, 'two'))
  await edit(alice, 'packed', Y.encodeStateAsUpdate(packed), { checkpoint: true })
  await store(trainingEvent(alice))
  await store(settingsEvent(alice, 'model', 'opus'))

  const left = new Y.Doc()
  await edit(alice, 'left', append(left, 'for bob'), { members })
  await edit(alice, 'left', append(left, 'not for bob'))
  await edit(alice, 'left', Y.encodeStateAsUpdate(left), { checkpoint: true })

  const gap = new Y.Doc()
  append(gap, 'never sent')
  await edit(alice, 'gap', append(gap, 'hangs in the air'))

  const part = { group: 'aabbccdd', index: 0, count: 2 }
  const partId = await edit(bob, 'shared', append(bobs, 'half'), { part })
  await ingest.stop()
  await log.close()
  return { events, partId }
}

/** Data that the tests of a file damage, each in a copy of its own. */
export function verifiedData(): VerifiedData {
  let directory = ''
  let filled: Pick<VerifiedData, 'events' | 'partId'> = { events: new Map(), partId: '' }
  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'onyx-sync-verified-'))
    filled = await fill(directory)
  })
  afterAll(() => rmSync(directory, { recursive: true, force: true }))
  return {
    get events() {
      return filled.events
    },
    get partId() {
      return filled.partId
    },
    copy() {
      const copy = temporaryDirectory()
      cpSync(directory, copy, { recursive: true })
      return copy
    },
  }
}

export type Verified = VerifyReport & { readonly list: readonly Fault[] }

/** Checks a log, and lists all faults. */
export async function verifyAll(log: InspectableLog, options: VerifyOptions = {}): Promise<Verified> {
  const list: Fault[] = []
  const report = await verifyLog(log, { onFault: (fault) => list.push(fault), ...options })
  return { ...report, list }
}

/** Checks the data in a directory. */
export async function verifyData(data: string, options: VerifyOptions = {}): Promise<Verified> {
  const log = await openLevelLog(data)
  try {
    return await verifyAll(log, options)
  } finally {
    await log.close()
  }
}

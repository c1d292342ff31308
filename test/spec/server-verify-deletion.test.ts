import { type Fault, openLevelLog, verifyLog } from '@onyx-sync/server'
import { describe, expect, it } from 'vitest'
import { encodeSeq, encodeState } from '../../server/src/adapters/level/codecs.js'
import { keyOf } from '../../server/src/adapters/level/keys.js'
import { decodeRecord, encodeRecord } from '../../server/src/adapters/level/records.js'
import { type RawDatabase, rewrite, tamper } from '../support/damage.js'
import {
  chatAddressText,
  chatEvent,
  deletionEvent,
  membersOf,
  testKey,
  trainingEvent,
} from '../support/events.js'
import { flipBit } from '../support/flip-bit.js'
import { keepingLogger } from '../support/keeping-logger.js'
import { connect, runServer } from '../support/servers.js'
import { temporaryDirectory } from '../support/temporary-directory.js'

const alice = testKey(1)
const bob = testKey(2)
const CHAT = chatAddressText(alice)
const REQUEST_SEQ = 3

/** A chat with a member that was deleted at 3, and training data that was deleted at 4. */
async function deletedData(): Promise<{ data: string; trainingId: string }> {
  const data = temporaryDirectory()
  const server = await runServer({ data })
  const a = await connect(server, alice)
  const training = trainingEvent(alice)
  for (const event of [
    chatEvent(alice, { members: membersOf(bob) }),
    training,
    deletionEvent(alice, { addresses: [CHAT] }),
    deletionEvent(alice, { ids: [training.id] }),
  ]) {
    expect(await a.publish(event)).toMatchObject({ accepted: true })
  }
  await server.close()
  return { data, trainingId: training.id }
}

/** Damages a copy, has it checked, mended and checked again. */
async function faultsOf(
  damage: (db: RawDatabase, trainingId: string) => Promise<unknown>,
): Promise<{ found: Fault[]; left: number; members: number | undefined }> {
  const { data, trainingId } = await deletedData()
  await tamper(data, (db) => damage(db, trainingId))
  const found: Fault[] = []
  const log = await openLevelLog(data)
  await verifyLog(log, { repair: true, onFault: (fault) => found.push(fault) })
  const { faultCount } = await verifyLog(log)
  const [record] = await log.documents([CHAT])
  await log.close()
  return {
    found,
    left: faultCount,
    members: record?.deleted === undefined ? undefined : record.members.length,
  }
}

describe('deleted data', () => {
  it('[VFY1][VFY9] is sound', async () => {
    const { found, members } = await faultsOf(async () => {})
    expect(found).toEqual([])
    expect(members).toBe(1)
  })

  it('[VFY9] whose tombstone is gone gets it again, so that nothing comes back', async () => {
    const { found, left, members } = await faultsOf((db) => db.del(keyOf.record(CHAT)))
    expect(found).toContainEqual(
      expect.objectContaining({
        kind: 'record',
        address: CHAT,
        message: expect.stringContaining('was deleted'),
      }),
    )
    expect([left, members]).toEqual([0, 0])
  })

  it('[VFY9] of which something is left is reported, and what is derived goes', async () => {
    const state = encodeState({ throughSeq: 2, updates: [Uint8Array.of(0, 0)] })
    const kept = await faultsOf((db) => db.put(keyOf.state(CHAT), state))
    expect(kept.found).toMatchObject([{ kind: 'index', index: 'state' }])
    const change = await faultsOf((db) =>
      db.put(keyOf.change(alice.publicKey, REQUEST_SEQ), Buffer.from(CHAT)),
    )
    expect(change.found).toMatchObject([{ kind: 'index', index: 'change' }])
    expect([kept.left, change.left]).toEqual([0, 0])
  })

  it('[VFY9] that is known as alive is reported, and left alone', async () => {
    const { found, left } = await faultsOf((db) =>
      rewrite(db, keyOf.record(CHAT), (value) => {
        const { deleted: _, ...record } = decodeRecord(CHAT, value)
        return encodeRecord(record)
      }),
    )
    expect(found[0]).toMatchObject({ kind: 'record', address: CHAT })
    expect(left).toBe(0)
  })

  it('[VFY9] is found by those who could read it', async () => {
    const { found, left } = await faultsOf((db) => db.del(keyOf.feed(bob.publicKey, REQUEST_SEQ)))
    expect(found).toMatchObject([{ kind: 'index', index: 'feed', reader: bob.publicKey, seq: REQUEST_SEQ }])
    expect(left).toBe(0)
  })

  it('[VFY9] has its ids, and no others', async () => {
    const missing = await faultsOf((db, id) => db.del(keyOf.deletedId(alice.publicKey, id)))
    expect(missing.found).toMatchObject([{ kind: 'index', index: 'deletedId', seq: 4 }])
    const stray = await faultsOf((db, id) => db.put(keyOf.deletedId(bob.publicKey, id), encodeSeq(4)))
    expect(stray.found).toMatchObject([{ kind: 'index', index: 'deletedId', seq: 4 }])
    expect([missing.left, stray.left]).toEqual([0, 0])
  })

  it('[VFY1][VFY9] may have an id that was deleted twice, by whichever request', async () => {
    const { data, trainingId } = await deletedData()
    const server = await runServer({ data })
    const again = deletionEvent(alice, { ids: [trainingId] })
    expect(await (await connect(server, alice)).publish(again)).toMatchObject({ accepted: true })
    await server.close()
    const check = async (seq: number): Promise<string[]> => {
      await tamper(data, (db) => db.put(keyOf.deletedId(alice.publicKey, trainingId), encodeSeq(seq)))
      const log = await openLevelLog(data)
      const messages: string[] = []
      await verifyLog(log, { repair: true, onFault: ({ message }) => messages.push(message) })
      const { faultCount } = await verifyLog(log)
      const areDeleted = await log.areDeleted([{ pubkey: alice.publicKey, id: trainingId }])
      await log.close()
      expect([faultCount, areDeleted]).toEqual([0, [true]])
      return messages
    }
    expect([await check(4), await check(5)]).toEqual([[], []])
    expect(await check(REQUEST_SEQ)).toEqual(['an id is known as deleted, and no request names it'])
  })

  it('[VFY10] does not come back while what is known of it is damaged: nothing is written to it, and who may read it can not tell', async () => {
    const { data } = await deletedData()
    await tamper(data, (db) =>
      rewrite(db, keyOf.record(CHAT), (value) => flipBit(value, Buffer.from(value).indexOf('deleted'))),
    )
    const logger = keepingLogger()
    const damaged = await runServer({ data, logger })
    const [a, b] = [await connect(damaged, alice), await connect(damaged, bob)]
    const members = membersOf(bob)
    const refused = { accepted: false, reason: expect.stringMatching(/^error: /) }
    expect(await a.publish(chatEvent(alice, { members }))).toMatchObject(refused)
    expect((await b.request('all', { kinds: [30001] })).closedReason).toMatch(/^error: /)
    const told = logger.lines.filter((line) => line.includes(`what is known of ${CHAT} is damaged`))
    expect(told.length).toBeGreaterThanOrEqual(2)
    expect(told.join()).toContain('verify --repair')
    // The others' chats go on.
    const other = chatEvent(alice, { chatId: 'other', members })
    expect(await a.publish(other)).toMatchObject({ accepted: true })
    expect((await a.request('all', { kinds: [30001] })).events).toEqual([other])
    await damaged.close()

    const log = await openLevelLog(data)
    expect(await verifyLog(log, { repair: true })).toMatchObject({ isSound: true })
    await log.close()
    const mended = await runServer({ data })
    const refusal = await (await connect(mended, alice)).publish(chatEvent(alice, { members }))
    expect(refusal).toMatchObject({ accepted: false, reason: expect.stringMatching(/^blocked: /) })
    expect((await (await connect(mended, bob)).request('all', { kinds: [30001] })).events).toEqual([other])
  })
})

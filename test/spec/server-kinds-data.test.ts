import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createSyncServer, EVERYBODY, type Fault, openLevelLog, verifyLog } from '@onyx-sync/server'
import { pureVerifier } from '@onyx-sync/shared'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { encodeCurrent, encodeSeq, encodeVanished } from '../../server/src/adapters/level/codecs.js'
import { FEED_EVENT, keyOf } from '../../server/src/adapters/level/keys.js'
import { runBackup } from '../../server/src/commands/backup-run.js'
import { openData } from '../../server/src/commands/data-access.js'
import { runRestore } from '../../server/src/commands/restore-run.js'
import { BACKED_UP } from '../../server/src/core/backup-lines.js'
import { overviewLines } from '../../server/src/core/inspect.js'
import { type RawDatabase, rewrite, tamper } from '../support/damage.js'
import { deletionEvent, testKey } from '../support/events.js'
import { EXTRA_KINDS, giftWrap, plainEvent } from '../support/kinds.js'
import { connectClient } from '../support/relay-client.js'
import { connect, runServer } from '../support/servers.js'
import { temporaryDirectory } from '../support/temporary-directory.js'

const alice = testKey(1)
const bob = testKey(2)
const NAME = `30023:${alice.publicKey}:page`

/** Positions of what {@link fill} leaves. */
const [REACTION, PAGE, WRAP, REQUEST] = [1, 3, 4, 6]
const reaction = plainEvent(alice, 7)
const page = plainEvent(alice, 30_023, { tags: [['d', 'page']], content: 'second' })
const wrap = giftWrap(bob)

/** What a server writes where one event is replaced, and one deleted by its name. */
async function fill(data: string): Promise<void> {
  const server = createSyncServer({ data, port: 0, kinds: { extra: EXTRA_KINDS } })
  await server.listen()
  const a = await connectClient(server.url, alice)
  const events = [
    reaction,
    plainEvent(alice, 30_023, { createdAt: 5, tags: [['d', 'page']], content: 'first' }),
    page,
    wrap,
    plainEvent(alice, 10_002, { createdAt: 7 }),
    deletionEvent(alice, { addresses: [`10002:${alice.publicKey}:`], createdAt: 8 }),
    plainEvent(alice, 4, { tags: [['p', bob.publicKey]] }),
  ]
  for (const event of events) expect(await a.publish(event)).toMatchObject({ accepted: true })
  await server.close()
}

let lived = ''
beforeAll(async () => {
  lived = mkdtempSync(join(tmpdir(), 'onyx-sync-kinds-'))
  await fill(lived)
})
afterAll(() => rmSync(lived, { recursive: true, force: true }))

/** A copy of a directory that a server has written. */
function livedData(): string {
  const data = temporaryDirectory()
  cpSync(lived, data, { recursive: true })
  return data
}

async function faultsOf(
  damage: (db: RawDatabase) => Promise<unknown>,
): Promise<{ found: Fault[]; left: number }> {
  const data = livedData()
  await tamper(data, damage)
  const found: Fault[] = []
  const log = await openLevelLog(data)
  await verifyLog(log, { repair: true, onFault: (fault) => found.push(fault) })
  const { faultCount } = await verifyLog(log)
  await log.close()
  return { found, left: faultCount }
}

async function contentsOf(data: string): Promise<Record<string, unknown>> {
  const log = await openLevelLog(data)
  const contents: Record<string, unknown> = { head: log.head }
  for (const index of Object.keys(BACKED_UP) as (keyof typeof BACKED_UP)[]) {
    const entries: unknown[] = []
    for await (const entry of log.scan(index)) entries.push(entry)
    contents[index] = entries
  }
  await log.close()
  return contents
}

describe('data of further kinds', () => {
  it('[KND10][VFY1] is sound, and nothing is left of what was replaced or deleted', async () => {
    const { found } = await faultsOf(async () => {})
    expect(found).toEqual([])
    const contents = await contentsOf(livedData())
    expect((contents.event as { seq: number }[]).map(({ seq }) => seq)).toEqual([1, 3, 4, 6, 7])
    expect(contents.coordinate).toMatchObject([{ coordinate: NAME, seq: PAGE, id: page.id }])
    expect(contents.deletedCoordinate).toEqual([
      { index: 'deletedCoordinate', coordinate: `10002:${alice.publicKey}:`, until: 8, seq: REQUEST },
    ])
    const listed = contents.listed as { seq: number; reader: string }[]
    expect(listed.map(({ seq, reader }) => [reader, seq]).sort()).toEqual(
      [
        [EVERYBODY, REACTION],
        [EVERYBODY, PAGE],
        [EVERYBODY, REQUEST],
        [alice.publicKey, REQUEST],
        [bob.publicKey, WRAP],
        [alice.publicKey, 7],
        [bob.publicKey, 7],
      ].sort(),
    )
  })

  it('[KND10][VFY3][VFY6] an entry that is missing, wrong or too many is found and mended', async () => {
    const { created_at: at, id } = wrap
    const other = { seq: PAGE, id: 'ab'.repeat(32), created_at: 9 }
    const cases: [index: string, damage: (db: RawDatabase) => Promise<unknown>][] = [
      ['listed', (db) => db.del(keyOf.listed(bob.publicKey, 1059, at, id))],
      ['listed', (db) => db.put(keyOf.listed(alice.publicKey, 1059, at, id), encodeSeq(WRAP))],
      ['listed', (db) => db.put(keyOf.listed(EVERYBODY, 1059, at, id), encodeSeq(WRAP))],
      [
        'listed',
        (db) =>
          rewrite(db, keyOf.listed(EVERYBODY, 7, reaction.created_at, reaction.id), () => encodeSeq(WRAP)),
      ],
      ['listed', (db) => db.put(keyOf.listed(bob.publicKey, 1059, 9, other.id), encodeSeq(99))],
      [
        'listed',
        (db) =>
          db.put(
            Buffer.concat([keyOf.listed(bob.publicKey, 1059, at, id), Uint8Array.of(1)]),
            encodeSeq(WRAP),
          ),
      ],
      ['feed', (db) => db.del(keyOf.feed(bob.publicKey, WRAP))],
      ['feed', (db) => db.del(keyOf.feed(EVERYBODY, REACTION))],
      ['feed', (db) => db.put(keyOf.feed(alice.publicKey, WRAP), FEED_EVENT)],
      ['feed', (db) => db.put(keyOf.feed(EVERYBODY, WRAP), FEED_EVENT)],
      ['ownerLog', (db) => db.del(keyOf.ownerLog(bob.publicKey, 1059, at, id))],
      ['coordinate', (db) => db.del(keyOf.coordinate(NAME))],
      [
        'coordinate',
        (db) => rewrite(db, keyOf.coordinate(NAME), () => encodeCurrent({ ...page, seq: REACTION })),
      ],
      ['coordinate', (db) => db.put(keyOf.coordinate(`0:${bob.publicKey}:`), encodeCurrent(other))],
      ['deletedCoordinate', (db) => db.del(keyOf.deletedCoordinate(`10002:${alice.publicKey}:`))],
      [
        'deletedCoordinate',
        (db) =>
          rewrite(db, keyOf.deletedCoordinate(`10002:${alice.publicKey}:`), () =>
            encodeVanished({ seq: REQUEST, until: 9_999 }),
          ),
      ],
      [
        'deletedCoordinate',
        (db) => db.put(keyOf.deletedCoordinate(NAME), encodeVanished({ seq: REQUEST, until: 8 })),
      ],
    ]
    for (const [at, [index, damage]] of cases.entries()) {
      const { found, left } = await faultsOf(damage)
      const where = `case ${at}: ${JSON.stringify(found.map(({ message }) => message))}`
      expect(
        found.map((fault) => fault.index),
        where,
      ).toContain(index)
      expect(
        found.every(({ mended }) => mended),
        where,
      ).toBe(true)
      expect(left, where).toBe(0)
    }
  })

  it('[KND10][VFY2] a changed bit of one is found', async () => {
    const { found } = await faultsOf((db) =>
      rewrite(db, keyOf.event(WRAP), (value) =>
        Buffer.from(Buffer.from(value).toString().replace('sealed', 'sealer')),
      ),
    )
    expect(found).toMatchObject([{ kind: 'event-damaged', seq: WRAP }])
  })

  it('[KND10][RST1] is restored entry by entry, and served as before', async () => {
    const data = livedData()
    const [directory, restored] = [temporaryDirectory(), temporaryDirectory()]
    const access = await openData(data)
    await runBackup({ access, directory, full: false, onProgress: () => {} })
    await access.close()
    const result = await runRestore({
      ...{ from: directory, data: restored, verifier: pureVerifier },
      ...{ onProgress: () => {}, onCheck: () => {} },
    })
    expect(result).toMatchObject({ refused: [] })
    expect(await contentsOf(restored)).toEqual(await contentsOf(data))
    const server = await runServer({ data: restored, kinds: { extra: EXTRA_KINDS } })
    const [a, b] = [await connect(server, alice), await connect(server, bob)]
    expect((await b.request('s', { kinds: [1059] })).events).toEqual([wrap])
    expect((await a.request('s', { kinds: [1059] })).events).toEqual([])
    const late = plainEvent(alice, 30_023, { createdAt: 6, tags: [['d', 'page']] })
    expect((await a.publish(late)).reason).toMatch(/^replaced:/)
    expect((await a.publish(plainEvent(alice, 10_002, { createdAt: 7 }))).reason).toMatch(
      /^blocked: .*deleted/,
    )
  })

  it('[KND10] inspect counts them', async () => {
    const log = await openLevelLog(livedData())
    let last = ''
    for await (const line of overviewLines(log, 3)) last = line
    await log.close()
    expect(JSON.parse(last)).toMatchObject({
      overview: { eventsByKind: { 4: 1, 5: 1, 7: 1, 1059: 1, 30023: 1 }, documents: 0 },
    })
  })
})

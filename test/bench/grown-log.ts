import { randomBytes } from 'node:crypto'
import { type Commit, type LoggedEvent, openLevelLog } from '@onyx-sync/server'
import { stringifyEvent } from '@onyx-sync/shared'
import type { BenchContext } from './bench.js'
import { startMeasuredServer } from './server-process.js'
import { type BenchKey, createKey, createWriter } from './signed-events.js'

const EVENTS_PER_DOCUMENT = 10
const DOCUMENTS_PER_COMMIT = 50
const ACCOUNTS = 100

/**
 * Writes the log through its port. Events of a document are real updates under ids and signatures that are
 * none: nobody looks at those of what is stored, and a million would take an hour. Ten events a document.
 *
 * @returns the accounts, each of which has one document in a hundred
 */
export async function growLog(context: BenchContext, data: string, documents: number): Promise<BenchKey[]> {
  const { progress } = context
  const log = await openLevelLog(data)
  const keys = Array.from({ length: ACCOUNTS }, createKey)
  const contents = makeContents(keys[0] as BenchKey)
  for (let first = 0; first < documents; first += DOCUMENTS_PER_COMMIT) {
    const commits = Array.from({ length: DOCUMENTS_PER_COMMIT }, (_, index) => {
      const { publicKey } = keys[(first + index) % ACCOUNTS] as BenchKey
      return documentCommit(
        publicKey,
        `chat-${first + index}`,
        contents,
        log.head + index * EVENTS_PER_DOCUMENT,
      )
    })
    await log.commit({
      events: commits.flatMap(({ events }) => events),
      documents: commits.flatMap(({ documents: records }) => records),
      moves: commits.flatMap(({ moves = [] }) => moves),
      ...(first === 0 ? { epoch: { id: randomBytes(8).toString('hex'), fromSeq: 1 } } : {}),
      grants: [],
      revocations: [],
    })
    if (first % 1_000 === 0) progress(`${first} of ${documents} documents written`)
  }
  await log.close()
  await settle(context, data)
  return keys
}

function makeContents(key: BenchKey): string[] {
  const writer = createWriter(key, 'chat')
  return Array.from({ length: EVENTS_PER_DOCUMENT }, () => writer.next().content)
}

function documentCommit(owner: string, chatId: string, contents: readonly string[], head: number): Commit {
  const address = `30001:${owner}:${chatId}`
  const tags = [['d', chatId], ['-'], ['encoding', 'yjs', 'deflate']]
  let byteCount = 0
  const events = contents.map((content, index): LoggedEvent => {
    const event = { kind: 30001, created_at: 1_764_000_000 + index, tags, content, pubkey: owner }
    const id = randomBytes(32).toString('hex')
    const json = stringifyEvent({ ...event, id, sig: 'f'.repeat(128) })
    byteCount += json.length
    const seq = head + index + 1
    const { kind, created_at: createdAt } = event
    return { seq, id, pubkey: owner, kind, createdAt, json, address, owner, readers: [owner] }
  })
  const headSeq = head + events.length
  const record = {
    ...{
      address,
      owner,
      members: [],
      roster: { baseAt: 0, entries: [] },
      rosterSeqs: [headSeq],
      rosterSeq: 0,
    },
    ...{ headSeq, contentSeq: headSeq, eventCount: events.length, byteCount },
  }
  const moves = [{ reader: owner, address, from: undefined, to: headSeq }]
  return { events, documents: [record], grants: [], revocations: [], moves }
}

/**
 * Lets LevelDB tidy what was written at a pace that no server sees: it goes on with that when it is opened, and
 * the first start would measure it.
 */
async function settle({ serverOptions, progress }: BenchContext, data: string): Promise<void> {
  progress('waiting until LevelDB has tidied up')
  const server = await startMeasuredServer({ data, ...serverOptions })
  let used = server.cpuSeconds()
  for (let isBusy = true; isBusy; ) {
    await new Promise((resolve) => setTimeout(resolve, 2_000))
    isBusy = server.cpuSeconds() - used > 0.1
    used = server.cpuSeconds()
  }
  await server.stop()
}

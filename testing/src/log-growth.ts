import {
  applyUpdate,
  createUpdateTemplate,
  DEFAULT_LIMITS,
  type DocumentAddress,
  decodeUpdateEvent,
  type NostrEvent,
  parseAddress,
  type Roster,
} from '@onyx-sync/shared'
import * as Y from 'yjs'
import type { DeviceSettings } from './device-settings.js'
import type { World, WorldDevice } from './world.js'

/** What a row of the log counts besides its data, as devices count it. Bytes. */
const ROW_BYTES = 200
/** Id, key, signature, time and field names of an event. Bytes of JSON. */
const FRAME_BYTES = 345
/**
 * How far a log may be above the bound of its devices. What they know of it may lag by a quarter. A checkpoint that
 * got lost on its way is made again when the log has doubled, and that may happen to it more than once.
 */
const SLACK = 2.5
/** A document that has shrunk is compacted when it is loaded the next time. */
const ROWS_SLACK = 2.5
/** A member's checkpoint leaves the owner's statement; and one more event may come after any checkpoint. */
const LATE_EVENTS_BYTES = 1_500

/** Checks that no log has grown out of proportion to its document, on the server and on devices. */
export async function checkLogGrowth(world: World, settings: DeviceSettings): Promise<string[]> {
  const problems: string[] = []
  for (const device of world.devices) problems.push(...(await checkRows(device, settings)))
  if (settings.checkpoints === false) return problems
  const { minLogBytes, ratio } = settings.checkpoints
  const { contents: log } = world.serverDisk
  const addresses: string[] = []
  for await (const page of log.allDocuments()) addresses.push(...page)
  for (const address of addresses) {
    const parsed = parseAddress(address)
    const [record] = await log.documents([address])
    // Documents of accounts that take no part any more.
    if (parsed === undefined || record === undefined || record.deleted !== undefined) continue
    const doc = new Y.Doc()
    let bytes = 0
    for await (const page of log.documentLog(address, 0, log.head)) {
      for (const json of await log.load(page.map(({ seq }) => seq))) {
        if (json === undefined) continue
        bytes += json.length
        applyUpdate(doc, decodeUpdateEvent(JSON.parse(json) as NostrEvent, DEFAULT_LIMITS).framed.update)
      }
    }
    const bound = Math.max(minLogBytes, ratio * checkpointBytes(parsed, doc, record.roster))
    if (bytes > SLACK * bound + LATE_EVENTS_BYTES)
      problems.push(`the log of ${address} has ${bytes} bytes, where a checkpoint was due at ${bound}`)
  }
  return problems
}

function checkpointBytes(address: DocumentAddress, doc: Y.Doc, roster: Roster): number {
  const { content, tags } = createUpdateTemplate({
    address,
    author: address.owner,
    framed: { update: Y.encodeStateAsUpdate(doc), checkpoint: true },
    roster,
    createdAt: 0,
  })
  return FRAME_BYTES + content.length + JSON.stringify(tags).length
}

async function checkRows({ name, disk }: WorldDevice, { compaction }: DeviceSettings): Promise<string[]> {
  const problems: string[] = []
  for (const { address } of await disk.contents.loadDocuments()) {
    const rows = await disk.contents.loadUpdates(address)
    const doc = new Y.Doc()
    for (const { update } of rows) applyUpdate(doc, update)
    const state = Y.encodeStateAsUpdate(doc).byteLength + ROW_BYTES
    const weight = rows.reduce((sum, { update }) => sum + update.byteLength + ROW_BYTES, 0)
    const bound = state + Math.max(compaction.minBytes, compaction.ratio * state)
    if (weight > ROWS_SLACK * bound + LATE_EVENTS_BYTES)
      problems.push(`${name} keeps ${weight} bytes of ${address}, where ${bound} are the bound`)
  }
  return problems
}

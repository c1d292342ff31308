import {
  applyUpdate,
  DEFAULT_LIMITS,
  decodeUpdateEvent,
  getOrCreate,
  hasReceived,
  type NostrEvent,
  parseAddress,
} from '@onyx-sync/shared'
import * as Y from 'yjs'
import type { World, WorldDevice } from './world.js'

/**
 * Checks that a device has on its disk what the cursor on its disk covers, of the documents of its account; it may lack
 * what a checkpoint beyond the cursor stands for, which it is going to be sent. Whose the others are at which position is left to
 * other checks. Needs a server that was never set back.
 */
export async function checkCursorOnDisk(
  world: World,
  { name, pubkey, disk }: WorldDevice,
): Promise<string[]> {
  const { cursor = '', scope } = await disk.contents.loadMeta()
  // It covers what the device wanted at that time.
  if (scope === 'some') return []
  // Opaque to devices; here the server that wrote it is looked at from outside.
  const through = Number.parseInt(cursor.split('.')[3] ?? '0', 36)
  const bodies = new Map((await disk.contents.loadDocuments()).map(({ address, body }) => [address, body]))
  const isDeleted = (address: string) => ['deleting', 'deleted'].includes(bodies.get(address) ?? '')
  const problems: string[] = []
  const deletedOnServer = new Set<string>()
  for (const { events, deletedDocuments = [] } of world.serverDisk.commits) {
    const isCovered = events.some(({ seq }) => seq <= through)
    for (const { address } of deletedDocuments) {
      deletedOnServer.add(address)
      const isShown = bodies.has(address) && !isDeleted(address)
      if (isCovered && isShown && parseAddress(address)?.owner === pubkey)
        problems.push(`the cursor of ${name} covers the deletion of ${address}, which is on its disk`)
    }
  }
  const replacedLater = new Set(
    world.serverDisk.commits.flatMap(({ events, superseded = [] }) =>
      events.some(({ seq }) => seq > through)
        ? superseded.flatMap((gone) => gone.events.map(({ seq }) => seq))
        : [],
    ),
  )
  const updates = new Map<string, Uint8Array[]>()
  for (const { seq, json, address, owner } of world.serverDisk.commits.flatMap(({ events }) => events)) {
    if (seq > through || replacedLater.has(seq) || address === undefined || owner !== pubkey) continue
    // Whoever deletes a document doesn't wait for what others still write to it, and what was deleted on the server
    // is not sent any more.
    if (isDeleted(address) || deletedOnServer.has(address)) continue
    const { framed } = decodeUpdateEvent(JSON.parse(json) as NostrEvent, DEFAULT_LIMITS)
    getOrCreate(updates, address, () => []).push(framed.update)
  }
  for (const [address, list] of updates) {
    const doc = new Y.Doc()
    for (const { update } of await disk.contents.loadUpdates(address)) applyUpdate(doc, update)
    if (!list.every((update) => hasReceived(doc, update)))
      problems.push(`the cursor of ${name} covers something of ${address} that is not on its disk`)
  }
  return problems
}

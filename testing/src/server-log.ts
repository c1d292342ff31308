import type { Commit } from '@onyx-sync/server'
import {
  applyUpdate,
  DEFAULT_LIMITS,
  decodeUpdateEvent,
  formatAddress,
  getOrCreate,
  isDocumentKind,
  type NostrEvent,
} from '@onyx-sync/shared'
import * as Y from 'yjs'
import { fingerprint } from './fingerprint.js'
import type { World } from './world.js'

/** What the server's log says, put together without any of the server's code. */
export interface ServerContents {
  readonly documents: ReadonlyMap<string, Y.Doc>
  /** Addresses of documents that were deleted for good. */
  readonly deleted: ReadonlySet<string>
  readonly problems: readonly string[]
}

/** One document as commit after commit makes it. */
interface Growing {
  /** What it would be if nothing had ever been superseded. */
  readonly complete: Y.Doc
  /** Updates of the events that are in its log, by position. */
  readonly updates: Map<number, Uint8Array>
}

/**
 * Reads the server's disk, commit by commit. After a reset several devices bring back the same edits, each signed
 * by itself: then `isOnce` can't hold.
 */
export async function readServer(world: World, isOnce: boolean): Promise<ServerContents> {
  const { contents: log, commits } = world.serverDisk
  const problems: string[] = []
  const growing = new Map<string, Growing>()
  const seen = new Map<string, string>()
  const inLog = new Set<number>()
  const deleted = new Set<string>()

  function noteEvent(seq: number, event: NostrEvent): void {
    const { address, framed, part } = decodeUpdateEvent(event, DEFAULT_LIMITS)
    const key = formatAddress(address)
    if (deleted.has(key))
      problems.push(`event ${event.id} of ${key} was stored after the document was deleted`)
    const { complete, updates } = getOrCreate(growing, key, () => ({
      complete: new Y.Doc(),
      updates: new Map(),
    }))
    applyUpdate(complete, framed.update)
    updates.set(seq, framed.update)
    inLog.add(seq)
    // The parts of an edit may hang on one another in any order. They enter the log together.
    const isWhole = part === undefined || part.index === part.count - 1
    if (isOnce && isWhole && complete.store.pendingStructs !== null) {
      problems.push(`event ${event.id} hangs on one that is not there yet: fresh readers can't integrate it`)
    }
    // A resend is the very same event: other bytes with the same content were signed twice. But two devices may
    // make the same checkpoint, each by itself.
    const content = `${key} ${event.content}`
    const twin = seen.get(content)
    const isEdit =
      !framed.checkpoint && Y.decodeUpdate(framed.update).structs.length > 0 && !isImported(framed.update)
    if (isOnce && isEdit && twin !== undefined)
      problems.push(`events ${twin} and ${event.id} carry the same edit`)
    seen.set(content, event.id)
  }

  /** What is on the disk after each commit must be enough: the next moment may be a crash. */
  function noteSuperseded({ superseded = [] }: Commit): void {
    for (const { address, events } of superseded) {
      const document = growing.get(address)
      for (const { seq } of events) {
        document?.updates.delete(seq)
        inLog.delete(seq)
      }
      if (document !== undefined && fingerprint(mergedFrom(document)) !== fingerprint(document.complete))
        problems.push(`superseding lost something of ${address}`)
    }
  }

  /** With the write that stores the request everything of the document is gone. */
  function noteDeleted({ deletedDocuments = [] }: Commit): void {
    for (const { address } of deletedDocuments) {
      for (const seq of growing.get(address)?.updates.keys() ?? []) inLog.delete(seq)
      growing.delete(address)
      deleted.add(address)
    }
  }

  for (const commit of commits) {
    for (const { seq, json } of commit.events) {
      const event = JSON.parse(json) as NostrEvent
      if (isDocumentKind(event.kind)) noteEvent(seq, event)
      else inLog.add(seq)
    }
    noteDeleted(commit)
    for (const { seq } of commit.withdrawn ?? []) inLog.delete(seq)
    noteSuperseded(commit)
  }
  for (let seq = 1; seq <= log.head; seq++) {
    const isThere = (await log.load([seq]))[0] !== undefined
    if (isThere && !inLog.has(seq)) problems.push(`the log still has ${seq}, which was superseded`)
    if (!isThere && inLog.has(seq)) problems.push(`the log has a hole at ${seq}`)
  }
  const documents = new Map([...growing].map(([address, document]) => [address, mergedFrom(document)]))
  return { documents, deleted, problems: [...new Set(problems)] }
}

/** Whether an update holds a chat from elsewhere: devices that import the same make the same of it. */
function isImported(update: Uint8Array): boolean {
  return new TextDecoder().decode(update).includes('importedThrough')
}

function mergedFrom({ updates }: Growing): Y.Doc {
  const doc = new Y.Doc()
  for (const update of updates.values()) applyUpdate(doc, update)
  return doc
}

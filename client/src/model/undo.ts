import * as Y from 'yjs'

/** How much an open document keeps so that it can be taken back. Source: SPEC UND2. */
export interface UndoBounds {
  /** Steps; the oldest go first. */
  readonly maxSteps: number
  /** Bytes of what was deleted, the newest step's apart; the oldest steps go first. */
  readonly maxKeptBytes: number
}

/** Clearing the largest chat that is to be expected, 2 MB, leaves room for as much again. */
export const UNDO_BOUNDS: UndoBounds = { maxSteps: 100, maxKeptBytes: 4 * 1024 * 1024 }

/** Where typing without a pause would make one step that grows for ever, another begins. */
const MAX_GROWING_BYTES = 256 * 1024
/** What an item in memory takes besides its content, roughly. */
const ITEM_BYTES = 100
/** Origin of the transactions in which nothing is changed. */
const TIDYING = Symbol('tidying what can be undone')

const managers = new WeakMap<Y.Doc, Y.UndoManager>()

type Step = Y.UndoManager['undoStack'][number]

/**
 * What this device did to a document since it was loaded, one for all who have it open; it ends with the document. It
 * follows transactions without an origin: those of the model and of an app that edits the `Y.Doc` itself. What came
 * from the server or the disk, and what is streamed, has one.
 */
export function undoManagerOf(doc: Y.Doc): Y.UndoManager {
  let manager = managers.get(doc)
  if (manager === undefined) {
    manager = createUndoManager(doc, UNDO_BOUNDS)
    managers.set(doc, manager)
  }
  return manager
}

/** As {@link undoManagerOf}, a new one with bounds of its own. */
export function createUndoManager(doc: Y.Doc, bounds: UndoBounds): Y.UndoManager {
  const roots = [doc.getArray('messages'), doc.getMap('metadata')]
  // Each call of the model is one step, and so is what an app types within half a second.
  const manager = new Y.UndoManager(roots, { captureTimeout: 500, trackedOrigins: new Set([null]) })
  keepWithin(manager, bounds)
  passOverFailures(manager)
  return manager
}

/**
 * Passes over steps that Yjs fails at: it looks for what was brought back before, which somebody else has deleted since, and
 * finds that it was let go of (yjs 13.6.33, `redoItem`). Nothing of such a step is left to take back.
 */
function passOverFailures(manager: Y.UndoManager): void {
  // Yjs puts another list in the place of one that it clears.
  const steady = (list: 'undoStack' | 'redoStack', move: () => Step | null) => () => {
    for (;;) {
      const count = manager[list].length
      let isChanged = false
      const note = () => {
        isChanged = true
      }
      manager.doc.on('update', note)
      try {
        return move()
      } catch (error) {
        // Once something has changed, the error may be that of an app that heard of it.
        if (isChanged || manager[list].length === count) throw error
      } finally {
        manager.doc.off('update', note)
      }
    }
  }
  manager.undo = steady('undoStack', manager.undo.bind(manager))
  manager.redo = steady('redoStack', manager.redo.bind(manager))
}

/**
 * Yjs keeps whatever a step deleted, and doesn't let go of it in a document that stays loaded, though the step be long
 * gone. Here its content goes: an item is deleted once, so it belongs to one step.
 */
function keepWithin(manager: Y.UndoManager, { maxSteps, maxKeptBytes }: UndoBounds): void {
  const { doc } = manager
  /** Bytes of what each step deleted. */
  const bytesOf = new Map<Step, number>()
  /** Transactions that became steps, or parts of one, and were not looked at yet. */
  let news: (readonly [Step, Y.Transaction])[] = []

  /** Takes away the oldest until the rest is within the bounds. The newest stays, however large. */
  function trim(steps: Step[]): void {
    let keptBytes = 0
    let count = 0
    while (count < steps.length && count < maxSteps) {
      if (count > 0) keptBytes += bytesOf.get(steps[steps.length - 1 - count] as Step) ?? 0
      if (keptBytes > maxKeptBytes) break
      count++
    }
    steps.splice(0, steps.length - count)
  }

  function takeUp([step, { deleteSet }]: readonly [Step, Y.Transaction], current: Y.Transaction): void {
    const bytes = (bytesOf.get(step) ?? 0) + bytesIn(current, deleteSet)
    bytesOf.set(step, bytes)
    if (bytes > MAX_GROWING_BYTES) manager.stopCapturing()
  }

  /**
   * Lets go of what a step deleted: of its content, not of the items, which tell neighbours, and as what some of them were
   * brought back. A type in it has none.
   */
  function release(step: Step, live: Iterable<Step>, current: Y.Transaction): void {
    Y.iterateDeletedStructs(current, step.deletions, (item) => {
      if (!(item instanceof Y.Item)) return
      if (item.redone !== null && isBackInPlace(item, item.redone, current)) {
        for (const other of live) noteMoved(other, item, item.redone)
        item.redone = null
      }
      if (!(item.content instanceof Y.ContentType)) item.gc(doc.store, false)
    })
  }

  // Comes after the manager's own, which is older.
  doc.on('afterTransaction', (transaction: Y.Transaction) => {
    if (transaction.origin !== null && transaction.origin !== manager) return
    const { redoStack, undoStack } = manager
    const stack = manager.undoing ? redoStack : undoStack
    const step = stack[stack.length - 1]
    if (step !== undefined) news.push([step, transaction])
  })

  // Not before: until then, what was deleted is being written into updates.
  doc.on('afterAllTransactions', () => {
    if (news.length === 0) return
    const taken = news
    news = []
    for (const [step] of taken) if (!bytesOf.has(step)) bytesOf.set(step, 0)
    const deleting = taken.filter(([, { deleteSet }]) => deleteSet.clients.size > 0)
    if (deleting.length > 0)
      doc.transact((current) => {
        for (const each of deleting) takeUp(each, current)
      }, TIDYING)
    trim(manager.undoStack)
    trim(manager.redoStack)
    const live = new Set([...manager.undoStack, ...manager.redoStack])
    const gone = [...bytesOf.keys()].filter((step) => !live.has(step))
    if (gone.length === 0) return
    doc.transact((current) => {
      for (const step of gone) release(step, live, current)
    }, TIDYING)
    for (const step of gone) {
      bytesOf.delete(step)
      // Takes nothing away, and joins what is next to each other.
      Y.tryGc(step.deletions, doc.store, () => false)
    }
  })
}

/**
 * Whether part of a list or text was brought back where it was, and not in a list or text that was brought back itself.
 * What it tells of that is not needed then, and does harm: Yjs looks for neighbours by it, and where something was written
 * into or behind what came back, it finds an order in which others don't see it (yjs 13.6.33, `redoItem`).
 */
function isBackInPlace(item: Y.Item, redone: Y.ID, { doc }: Y.Transaction): boolean {
  if (item.parentSub !== null || item.content instanceof Y.ContentType) return false
  const back = Y.getItem(doc.store, redone)
  return back instanceof Y.Item && back.parent === item.parent
}

/** A step that inserted an item, or some of it, has inserted what it was brought back as. */
function noteMoved(step: Step, { id, length }: Y.Item, to: Y.ID): void {
  const moved = Y.createDeleteSet()
  for (const { clock, len } of step.insertions.clients.get(id.client) ?? []) {
    const from = Math.max(clock, id.clock)
    const until = Math.min(clock + len, id.clock + length)
    if (from >= until) continue
    const range = { clock: to.clock + from - id.clock, len: until - from }
    moved.clients.set(to.client, [...(moved.clients.get(to.client) ?? []), range])
  }
  if (moved.clients.size > 0) step.insertions = Y.mergeDeleteSets([step.insertions, moved])
}

function bytesIn(transaction: Y.Transaction, deletions: Step['deletions']): number {
  let bytes = 0
  Y.iterateDeletedStructs(transaction, deletions, (item) => {
    if (item instanceof Y.Item) bytes += ITEM_BYTES + contentBytes(item.content)
  })
  return bytes
}

function contentBytes(content: Y.Item['content']): number {
  if (content instanceof Y.ContentString) return content.str.length
  if (content instanceof Y.ContentAny || content instanceof Y.ContentJSON)
    return JSON.stringify(content.arr)?.length ?? 0
  if (content instanceof Y.ContentBinary) return content.content.byteLength
  return 0
}

import * as Y from 'yjs'

const managers = new WeakMap<Y.Doc, Y.UndoManager>()

/**
 * What this device did to a document since it was loaded, one for all who have it open; it ends with the document. It
 * follows transactions without an origin: those of the model and of an app that edits the `Y.Doc` itself. What came
 * from the server or the disk, and what is streamed, has one.
 */
export function undoManagerOf(doc: Y.Doc): Y.UndoManager {
  let manager = managers.get(doc)
  if (manager === undefined) {
    const roots = [doc.getArray('messages'), doc.getMap('metadata')]
    // Each call of the model is one step, and so is what an app types within half a second.
    manager = new Y.UndoManager(roots, { captureTimeout: 500, trackedOrigins: new Set([null]) })
    managers.set(doc, manager)
  }
  return manager
}

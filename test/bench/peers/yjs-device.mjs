/**
 * A device that keeps a chat in a `Y.Doc` in memory, with the package of `peers`, which is not the one of the
 * repository: two copies of Yjs must not meet in one document.
 */
import * as Y from 'yjs'

/** @returns {Y.Doc} */
export const createDoc = () => new Y.Doc()

/** Wraps a document and its provider as the benches want a device, see `contender.ts`. */
export function deviceOf(doc, provider) {
  const messages = doc.getArray('messages')
  return {
    append(text) {
      const fields = { id: `m${messages.length}`, role: 'user', content: text, createdAt: Date.now() }
      messages.push([new Y.Map(Object.entries(fields))])
    },
    count: () => messages.length,
    onChange(listener) {
      doc.on('update', listener)
      return () => doc.off('update', listener)
    },
    disconnect: () => provider.disconnect(),
    connect: () => provider.connect(),
    async close() {
      provider.destroy()
      doc.destroy()
    },
  }
}

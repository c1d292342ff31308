import type * as Y from 'yjs'
import { type Message, messageToJson, readMessages } from './message.js'

/** The messages of a document that is loaded, as plain JSON. */
export interface MessageList {
  /** In the order of the chat. The same array until something changes; messages that stay as they were are the same. */
  readonly messages: readonly Message[]
  /** Calls back after each transaction that changed the document. @returns a function that ends it */
  subscribe(listener: () => void): () => void
  /** Calls back those who are subscribed, for what no transaction changes. */
  tell(): void
  stop(): void
}

export function createMessageList(doc: Y.Doc): MessageList {
  const array = doc.getArray<unknown>('messages')
  const listeners = new Set<() => void>()
  const known = new Map<Y.Map<unknown>, Message>()
  let messages: readonly Message[] | undefined

  function onTransaction(transaction: Y.Transaction): void {
    if (transaction.changed.size === 0) return
    for (const type of transaction.changed.keys()) forget(type)
    tell()
  }

  function tell(): void {
    for (const listener of [...listeners]) listener()
  }

  /** What changed in a message, or in something nested in it, makes that message be read anew. */
  function forget(changed: Y.AbstractType<unknown> | unknown): void {
    let type = changed as Y.AbstractType<unknown>
    while (type.parent !== null && type.parent !== array) type = type.parent as Y.AbstractType<unknown>
    if (type === array || type.parent === array) messages = undefined
    known.delete(type as unknown as Y.Map<unknown>)
  }

  doc.on('afterTransaction', onTransaction)
  return {
    get messages() {
      if (messages !== undefined) return messages
      const maps = [...readMessages(array).values()]
      messages = maps.map((map) => {
        let message = known.get(map)
        if (message === undefined) {
          message = messageToJson(map)
          known.set(map, message)
        }
        return message
      })
      if (known.size > 2 * maps.length + 100) {
        const present = new Set(maps)
        for (const map of known.keys()) if (!present.has(map)) known.delete(map)
      }
      return messages
    },
    subscribe(listener) {
      const entry = () => listener()
      listeners.add(entry)
      return () => listeners.delete(entry)
    },
    tell,
    stop() {
      doc.off('afterTransaction', onTransaction)
      listeners.clear()
    },
  }
}

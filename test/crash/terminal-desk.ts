import type { NostrEvent } from '@onyx-sync/shared'
import * as Y from 'yjs'
import { chatEvent, type TestKey } from '../support/events.js'
import { BrokenPromise } from './plan.js'
import { openWire } from './wire.js'

/** A device in this process that is never killed: it writes to one chat, so that others have a lot to catch up on. */
export interface Desk {
  readonly address: string
  /** Sends some more messages, one event each. */
  write(url: string, count: number): Promise<void>
  /** All texts it got through, in order. */
  readonly written: readonly string[]
}

export function createDesk(key: TestKey, chatId: string): Desk {
  const doc = new Y.Doc()
  const written: string[] = []
  let updates: Uint8Array[] = []
  doc.on('update', (update: Uint8Array) => updates.push(update))
  doc.getMap('metadata').set('createdAt', 0)

  function next(): { readonly text: string; readonly event: NostrEvent } {
    const text = `desk ${written.length + 1}`
    const message = { id: `desk-${written.length + 1}`, role: 'user', content: text, createdAt: 0 }
    doc.getArray('messages').push([new Y.Map<unknown>(Object.entries(message))])
    const update = Y.mergeUpdates(updates)
    updates = []
    return { text, event: chatEvent(key, { chatId, update }) }
  }

  return {
    address: `30001:${key.publicKey}:${chatId}`,
    written,
    async write(url, count) {
      const wire = await openWire(url, key)
      for (let index = 0; index < count; index++) {
        const { text, event } = next()
        const { accepted, reason } = await wire.publish(event)
        if (!accepted) throw new BrokenPromise('ING5', `an event was refused: ${reason}`)
        written.push(text)
      }
      wire.cut()
    },
  }
}

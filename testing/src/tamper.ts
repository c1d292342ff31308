import {
  createStateTemplate,
  DEFAULT_LIMITS,
  formatAddress,
  KIND,
  mergeUpdates,
  type NostrEvent,
  parseStateEvent,
} from '@onyx-sync/shared'
import * as Y from 'yjs'

/**
 * What somebody on the way makes of a message with a merged state: a message more in each chat, under the
 * signature of the state as it was. Other messages are left alone.
 */
export function tamperWithState(text: string): string {
  if (!text.includes(`"kind":${KIND.state}`)) return text
  const [type, subscriptionId, event, ...rest] = JSON.parse(text) as [
    string,
    string,
    NostrEvent,
    ...unknown[],
  ]
  if (type !== 'EVENT' || event.kind !== KIND.state) return text
  const { documents, part, progress } = parseStateEvent(event, DEFAULT_LIMITS)
  const forged = createStateTemplate({
    documents: documents.map(({ address, update, log }) => ({
      address: formatAddress(address),
      update: address.kind === KIND.chat ? mergeUpdates([update, forgedMessage()]) : update,
      log,
    })),
    part,
    progress,
    createdAt: event.created_at,
  })
  return JSON.stringify([type, subscriptionId, { ...event, ...forged }, ...rest])
}

function forgedMessage(): Uint8Array {
  const doc = new Y.Doc()
  doc.clientID = 1
  const entries = Object.entries({ id: 'forged', role: 'user', content: new Y.Text('<forged>') })
  doc.getArray('messages').push([new Y.Map<unknown>(entries)])
  return Y.encodeStateAsUpdate(doc)
}

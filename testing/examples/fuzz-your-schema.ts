/**
 * Fuzz your own chat schema: does it stay valid whatever several devices do to it while they can't see each
 * other? Run it with `node testing/examples/fuzz-your-schema.ts` on Node 24, or import it into a test.
 */
import { fuzzSchema } from '@onyx-sync/testing'
import * as Y from 'yjs'

/** Pinned messages as a map from message id to the time: two devices may pin at the same moment. */
const pins = (doc: Y.Doc): Y.Map<unknown> => doc.getMap('metadata')

export const failures = await fuzzSchema({
  seeds: 25,
  operations: {
    say(doc, random) {
      const message = new Y.Map<unknown>([
        ['id', `m${random.below(1e9)}`],
        ['role', 'user'],
        ['content', new Y.Text('hello')],
      ])
      doc.getArray('messages').push([message])
    },
    pin(doc, random) {
      const messages = doc.getArray<Y.Map<unknown>>('messages').toArray()
      if (messages.length > 0) pins(doc).set(`pin:${random.pick(messages).get('id')}`, random.below(1e6))
    },
    deleteMessage(doc, random) {
      const messages = doc.getArray<Y.Map<unknown>>('messages')
      if (messages.length === 0) return
      const index = random.below(messages.length)
      pins(doc).delete(`pin:${messages.get(index).get('id')}`)
      messages.delete(index)
    },
  },
  check(doc) {
    for (const message of doc.getArray<Y.Map<unknown>>('messages')) {
      if (typeof message.get('id') !== 'string') return 'a message without an id'
    }
    // Not "every pin has its message": pinning on one device while another deletes breaks that, as this
    // very check would tell. The schema has to treat such a pin as none.
    return undefined
  },
})

if (failures.length > 0) throw new Error(JSON.stringify(failures))

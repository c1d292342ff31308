import * as Y from 'yjs'
import { findMessage } from './message.js'

/** Where a stream writes: behind what it wrote last, whatever others do to the message, or to others of its id. */
export interface StreamPlace {
  /** Adds to the text, which may be nothing. @returns the message; undefined when it was deleted */
  append(doc: Y.Doc, text: string): Y.Map<unknown> | undefined
}

/** The place at the beginning of an empty text. It outlives the document, which may be unloaded and loaded again. */
export function createStreamPlace(id: string, empty: Y.Text): StreamPlace {
  // Bound to the character to its left, so that what somebody else writes there stays behind it.
  let end = Y.createRelativePositionFromTypeIndex(empty, 0, -1)

  /** The text that the stream began with, and the index there; undefined when it isn't in the chat any more. */
  function findOwn(doc: Y.Doc): { text: Y.Text; index: number } | undefined {
    const found = Y.createAbsolutePositionFromRelativePosition(end, doc)
    if (found === null || !(found.type instanceof Y.Text)) return undefined
    const message = found.type.parent
    // A message that was deleted has no content any more.
    if (!(message instanceof Y.Map) || message.get('content') !== found.type) return undefined
    return { text: found.type, index: found.index }
  }

  /** Where somebody put another text into the message: its end. */
  function findOther(messages: Y.Array<unknown>): { text: Y.Text; index: number } | undefined {
    const message = findMessage(messages, id)
    if (message === undefined) return undefined
    const content = message.get('content')
    if (content instanceof Y.Text) return { text: content, index: content.length }
    const text = new Y.Text(typeof content === 'string' ? content : '')
    message.set('content', text)
    return { text, index: text.length }
  }

  return {
    append(doc, more) {
      const place = findOwn(doc) ?? findOther(doc.getArray('messages'))
      if (place === undefined) return undefined
      const { text, index } = place
      if (more !== '') {
        text.insert(index, more)
        end = Y.createRelativePositionFromTypeIndex(text, index + more.length, -1)
      }
      return text.parent as Y.Map<unknown>
    },
  }
}

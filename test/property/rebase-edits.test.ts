import { hasPending } from '@onyx-sync/shared'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import * as Y from 'yjs'
import { rebaseEdits } from '../../client/src/core/rebase-edits.js'

const edit = fc.record({
  kind: fc.constantFrom('push', 'put', 'type', 'type', 'erase', 'drop', 'set', 'unset', 'values'),
  at: fc.nat(1_000),
})
type Edit = typeof edit extends fc.Arbitrary<infer T> ? T : never
const some = fc.array(edit, { maxLength: 10, size: 'max' })

/** Who wrote a character: each is written once. */
let authors = new Map<string, string>()
let last = 0

/** Three characters that nobody has written yet. */
function write(author: string): string {
  const text = Array.from({ length: 3 }, () => String.fromCharCode(0x4e00 + (last++ % 20_000)))
  for (const char of text) authors.set(char, author)
  return text.join('')
}

/** Edits a chat. */
function perform(doc: Y.Doc, author: string, edits: readonly Edit[]): void {
  const list = doc.getArray<Y.Map<unknown>>('messages')
  const meta = doc.getMap('metadata')
  for (const { kind, at } of edits) {
    const name = write(author)
    const message = list.length === 0 ? undefined : list.get(at % list.length)
    const text = message?.get('content') as Y.Text | undefined
    const values = message?.get('values') as Y.Array<string> | undefined
    doc.transact(() => {
      if (kind === 'push' || kind === 'put') {
        const fresh = new Y.Map<unknown>([
          ['by', author],
          ['content', new Y.Text(name)],
          ['values', Y.Array.from([name])],
        ])
        list.insert(kind === 'push' ? list.length : at % (list.length + 1), [fresh])
      }
      if (kind === 'type') text?.insert(at % (text.length + 1), name)
      if (kind === 'erase' && text !== undefined && text.length > 0)
        text.delete(at % text.length, Math.min(3, text.length - (at % text.length)))
      if (kind === 'drop' && list.length > 0) list.delete(at % list.length)
      if (kind === 'set') meta.set(`key ${at % 3}`, name)
      if (kind === 'unset') meta.delete(`key ${at % 3}`)
      if (kind === 'values') values?.insert(at % (values.length + 1), [name])
    })
  }
}
function open(clientId: number, ...updates: readonly Uint8Array[]): Y.Doc {
  const doc = new Y.Doc()
  doc.clientID = clientId
  for (const update of updates) Y.applyUpdate(doc, update, 'remote')
  return doc
}

/** Performs edits, and gives the update of just these. */
function updateOf(doc: Y.Doc, author: string, edits: readonly Edit[]): Uint8Array[] {
  const updates: Uint8Array[] = []
  const note = (update: Uint8Array, origin: unknown) => {
    if (origin !== 'remote') updates.push(update)
  }
  doc.on('update', note)
  perform(doc, author, edits)
  doc.off('update', note)
  return updates
}

/** The characters of one author, as they are shown, in messages that somebody else than the forger made. */
function written(doc: Y.Doc, author: string): string[] {
  const texts: string[] = []
  for (const message of doc.getArray<Y.Map<unknown>>('messages')) {
    if (message.get('by') === 'forger') continue
    texts.push(String(message.get('content')), ...(message.get('values') as Y.Array<string>))
  }
  for (let key = 0; key < 3; key++) texts.push(`${doc.getMap('metadata').get(`key ${key}`)}`)
  return [...texts.join('')].filter((char) => authors.get(char) === author)
}

const shown = (doc: Y.Doc) => JSON.stringify([doc.getArray('messages'), doc.getMap('metadata')])

/** Whether some come among others, in the same order. */
function isIn(some: readonly string[], all: readonly string[]): boolean {
  let at = 0
  for (const one of all) if (one === some[at]) at++
  return at === some.length
}

describe('edits that are taken off something they were made on top of', () => {
  it('[IDL6] hang on nothing of it, and all that was written is where it was beside what is left', () => {
    let hung = 0
    fc.assert(
      fc.property(
        some,
        some,
        fc.array(fc.tuple(some, some), { minLength: 1, maxLength: 4 }),
        fc.constantFrom('its own', 'another’s', 'this device’s'),
        (base, early, turns, id) => {
          authors = new Map()
          const others = open(22)
          perform(others, 'other', [{ kind: 'push', at: 0 }, ...base])
          const start = Y.encodeStateAsUpdate(others)
          const device = open(1_111, start)
          const before = new Y.Doc({ gc: false })
          Y.applyUpdate(before, start)
          device.on('update', (update: Uint8Array) => Y.applyUpdate(before, update))
          const own = updateOf(device, 'own', early)
          // Forged events may come under any client id, between the edits.
          const forgerId = { 'its own': 44, 'another’s': 22, 'this device’s': 1_111 }[id] as number
          for (const [forged, edits] of turns) {
            const forger = open(forgerId, Y.encodeStateAsUpdate(device))
            if (forgerId !== 44) forger.clientID = forgerId
            for (const update of updateOf(forger, 'forger', forged)) Y.applyUpdate(device, update, 'remote')
            own.push(...updateOf(device, 'own', edits))
          }
          if (own.length === 0) return
          const after = open(2_222, start)
          const edits = Y.mergeUpdates(own)
          const asTheyAre = open(3_333, start, edits)
          if (hasPending(asTheyAre)) hung++
          let next = 5_000
          const rebased = rebaseEdits({ edits, before, after, createClientId: () => next++ })
          if (rebased !== undefined) Y.applyUpdate(after, rebased)
          expect(hasPending(after)).toBe(false)
          expect(written(after, 'forger')).toEqual([])
          expect(shown(after)).not.toContain('forger')
          expect(isIn(written(before, 'own'), written(after, 'own'))).toBe(true)
          // Where nothing hangs on it, they are what they were.
          if (!hasPending(asTheyAre) && id === 'its own') expect(shown(after)).toBe(shown(asTheyAre))
        },
      ),
      { numRuns: 400 },
    )
    expect(hung).toBeGreaterThan(50)
  })
})

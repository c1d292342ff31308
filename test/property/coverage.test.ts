import { containsUpdate, createCoverage } from '@onyx-sync/shared'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import * as Y from 'yjs'

/** One step of one of three writers: it types, deletes, gets what another one has, or shows its state. */
const step = fc.record({
  writer: fc.nat({ max: 2 }),
  action: fc.constantFrom('insert', 'delete', 'merge', 'show'),
  at: fc.nat({ max: 40 }),
  other: fc.nat({ max: 2 }),
})

/** Runs steps. @returns the writers' documents, and the states that were shown on the way, newest last */
function run(steps: readonly (typeof step extends fc.Arbitrary<infer T> ? T : never)[]) {
  const docs = [1, 2, 3].map((clientId) => {
    const doc = new Y.Doc()
    doc.clientID = clientId
    return doc
  })
  const shown: Uint8Array[] = []
  for (const { writer, action, at, other } of steps) {
    const doc = docs[writer] as Y.Doc
    const text = doc.getText('messages')
    if (action === 'insert') text.insert(at % (text.length + 1), 'word')
    if (action === 'delete' && text.length > 0)
      text.delete(at % text.length, Math.min(3, text.length - (at % text.length)))
    if (action === 'merge') Y.applyUpdate(doc, Y.encodeStateAsUpdate(docs[other] as Y.Doc))
    if (action === 'show') shown.push(Y.encodeStateAsUpdate(doc))
  }
  return { docs, shown }
}

describe('coverage', () => {
  it('[PLN13][Y1] says exactly what applying the states says: structs and deletions', () => {
    let covered = 0
    let lacking = 0
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), fc.nat(), (steps, chosen) => {
        const { docs, shown } = run(steps)
        const some = shown.filter((_, index) => ((chosen >> (index % 31)) & 1) === 0)
        const coverage = createCoverage()
        const union = new Y.Doc()
        for (const state of some) {
          coverage.add(state)
          Y.applyUpdate(union, state)
        }
        for (const doc of docs) {
          const isHeld = containsUpdate(union, Y.encodeStateAsUpdate(doc))
          if (isHeld) covered++
          else lacking++
          expect(coverage.covers(doc)).toBe(isHeld)
          expect(coverage.holds(Y.encodeStateAsUpdate(doc))).toBe(isHeld)
        }
      }),
      { numRuns: 400, seed: 8 },
    )
    expect(Math.min(covered, lacking)).toBeGreaterThan(100)
  })

  it('[PLN13] counts no gap as held', () => {
    const doc = new Y.Doc()
    const updates: Uint8Array[] = []
    doc.on('update', (update: Uint8Array) => updates.push(update))
    for (const word of ['one', 'two', 'three']) doc.getText('messages').insert(0, word)
    const coverage = createCoverage()
    coverage.add(updates[0] as Uint8Array)
    coverage.add(updates[2] as Uint8Array)
    coverage.add(updates[2] as Uint8Array)
    expect(coverage.covers(doc)).toBe(false)
    expect(updates.map((update) => coverage.holds(update))).toEqual([true, false, true])
    expect(coverage.share(doc)).toBe('onethree'.length / 'onetwothree'.length)
    coverage.add(updates[1] as Uint8Array)
    expect(coverage.covers(doc)).toBe(true)
    expect(coverage.share(doc)).toBe(1)
    expect(createCoverage().covers(new Y.Doc())).toBe(true)
  })
})

import fc from 'fast-check'
import { expect, it } from 'vitest'
import * as Y from 'yjs'
import type { RowChange } from '../../client/src/core/journal.js'
import { createProjection } from '../../client/src/model/projection.js'
import { chatAddressText, testKey } from '../support/events.js'

const ADDRESS = chatAddressText(testKey(1))

interface Step {
  readonly doc: number
  readonly what:
    | 'append'
    | 'insert'
    | 'double'
    | 'foreign'
    | 'edit'
    | 'rename'
    | 'delete'
    | 'sync'
    | 'take'
    /** As `take`; then it is loaded anew, from what it was. */
    | 'reload'
  readonly at: number
}

const step: fc.Arbitrary<Step> = fc.record({
  doc: fc.nat(2),
  what: fc.oneof(
    { weight: 8, arbitrary: fc.constant<Step['what']>('append') },
    { weight: 6, arbitrary: fc.constant<Step['what']>('sync') },
    { weight: 4, arbitrary: fc.constant<Step['what']>('take') },
    { weight: 3, arbitrary: fc.constantFrom<Step['what']>('insert', 'edit') },
    {
      weight: 1,
      arbitrary: fc.constantFrom<Step['what']>('double', 'foreign', 'rename', 'delete', 'reload'),
    },
  ),
  at: fc.nat(1_000),
})

let created = 0

function message(id: string): Y.Map<unknown> {
  return new Y.Map<unknown>(Object.entries({ id, role: 'user', content: id, createdAt: ++created }))
}

function perform(docs: readonly Y.Doc[], { doc: index, what, at }: Step): void {
  const doc = docs[index] as Y.Doc
  const list = doc.getArray<unknown>('messages')
  const place = list.length === 0 ? 0 : at % list.length
  const item = list.length === 0 ? undefined : list.get(place)
  if (what === 'append') list.push([message(`m${created}`)])
  else if (what === 'insert') list.insert(place, [message(`m${created}`)])
  else if (what === 'double') list.push([message(`m${at % Math.max(1, created)}`)])
  else if (what === 'foreign') list.push(['no message'])
  else if (what === 'delete' && list.length > 0) list.delete(place)
  else if (what === 'edit' && item instanceof Y.Map) item.set('content', `edited ${at}`)
  else if (what === 'rename' && item instanceof Y.Map) item.set('id', `r${at}`)
  else if (what === 'sync') {
    const other = docs[(index + 1) % docs.length] as Y.Doc
    Y.applyUpdate(other, Y.encodeStateAsUpdate(doc, Y.encodeStateVector(other)))
  }
}

/** Rows by table and id, as changes leave them. */
function applyTo(rows: Map<string, unknown>, changes: readonly RowChange[]): void {
  for (const { table, put, delete: deleted } of changes) {
    for (const row of put) rows.set(`${table} ${row.id}`, row)
    for (const id of deleted) rows.delete(`${table} ${id}`)
  }
}

it('[QRY1][QRY3] rows that follow what came are those that looking through the whole chat gives', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 60 }), async (steps) => {
      created = 0
      const docs = [0, 1, 2].map(() => new Y.Doc())
      let watched = docs[0] as Y.Doc
      let projection = createProjection(ADDRESS, watched, false)
      const rows = new Map<string, unknown>()
      for (const one of [
        ...steps,
        { doc: 2, what: 'sync', at: 0 } as const,
        { doc: 0, what: 'take', at: 0 } as const,
      ]) {
        perform(docs, one)
        if (one.what !== 'take' && one.what !== 'reload') continue
        applyTo(rows, projection.take())
        const whole = createProjection(ADDRESS, watched, true)
        await whole.reset(async () => [])
        const expected = new Map<string, unknown>()
        applyTo(expected, whole.take())
        // A chat of which nothing changed yet has no row of its own.
        if (rows.size > 0) expect(rows).toEqual(expected)
        if (one.what === 'take') continue
        docs[0] = new Y.Doc()
        Y.applyUpdate(docs[0], Y.encodeStateAsUpdate(watched))
        watched = docs[0]
        projection = createProjection(ADDRESS, watched, false)
        expect([...projection.adopt()].length).toBe(0)
        // The chat's own row is the same as before, or there was none.
        if (rows.size === 0) continue
        expect(projection.take()).toEqual([])
      }
    }),
    { numRuns: 300 },
  )
})

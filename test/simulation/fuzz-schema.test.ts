import { fuzzSchema } from '@onyx-sync/testing'
import { describe, expect, it } from 'vitest'
import type * as Y from 'yjs'

describe('fuzzing an app’s own schema', () => {
  it('[SIM6] runs the example as it stands', { timeout: 60_000 }, async () => {
    const { failures } = await import('../../testing/examples/fuzz-your-schema.js')
    expect(failures).toEqual([])
  })

  it('[SIM7] finds a schema that two offline devices break, with the seed', { timeout: 60_000 }, async () => {
    // "At most one favourite" kept by looking before writing: two devices look at the same time.
    const favourites = (doc: Y.Doc) => doc.getMap<boolean>('metadata')
    const failures = await fuzzSchema({
      seeds: 10,
      operations: {
        favour(doc, random) {
          const map = favourites(doc)
          for (const key of [...map.keys()]) if (key.startsWith('favourite:')) map.delete(key)
          map.set(`favourite:${random.below(1_000)}`, true)
        },
      },
      check(doc) {
        const count = [...favourites(doc).keys()].filter((key) => key.startsWith('favourite:')).length
        return count > 1 ? `${count} favourites` : undefined
      },
    })
    expect(failures.length).toBeGreaterThan(0)
    expect(failures[0]).toMatchObject({
      seed: expect.any(Number),
      problem: expect.stringContaining('favourites'),
    })
  })
})

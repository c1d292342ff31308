import { describe, expect, it } from 'vitest'
import { createBatchShares } from '../../server/src/core/batch-shares.js'

describe('how many events of one account a batch takes', () => {
  const sharesAfter = (...published: (readonly [account: string, events: number])[]) => {
    const shares = createBatchShares()
    for (const [account, events] of published)
      for (let event = 0; event < events; event++) shares.published(account)
    return shares
  }

  it('[FAIR3] 32 while several publish alike, and as much as there is of one that is alone', () => {
    expect(sharesAfter().share([])).toBe(32)
    expect(sharesAfter(['a', 1], ['b', 1]).share(['a', 'b'])).toBe(32)
    expect(sharesAfter(['a', 160], ['b', 10]).share(['a', 'b'])).toBe(32)
    expect(sharesAfter(['a', 2_047]).share(['a'])).toBe(32)
    expect(sharesAfter(['a', 2_048]).share(['a'])).toBe(512)
    expect(sharesAfter(['a', 2_048], ['b', 1]).share(['a', 'b'])).toBeLessThan(512)
  })

  it('[FAIR3] 16 while somebody has published less than a sixteenth of what another one has, 4 where they wait', () => {
    const shares = sharesAfter(['a', 161], ['b', 10])
    expect([shares.share(['a', 'b']), shares.share(['a'])]).toEqual([4, 16])
    expect(sharesAfter(['a', 500], ['b', 500], ['c', 1]).share(['c', 'b'])).toBe(4)
    // Somebody of whom nothing is known.
    expect(sharesAfter(['a', 100]).share(['a', 'b'])).toBe(4)
  })

  it('[FAIR3] goes by what was published lately: who has flooded is forgiven', () => {
    const shares = sharesAfter(['a', 2_000], ['b', 10])
    expect(shares.share(['a', 'b'])).toBe(4)
    for (let event = 0; event < 20_000; event++) shares.published(event % 2 === 0 ? 'a' : 'b')
    expect(shares.share(['a', 'b'])).toBe(32)
    for (let event = 0; event < 20_000; event++) shares.published('b')
    expect(shares.share(['a', 'b'])).toBe(512)
    shares.published('a')
    expect(shares.share(['a', 'b'])).toBe(4)
  })
})

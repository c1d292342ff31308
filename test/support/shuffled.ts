import { createSeededRandom } from '@onyx-sync/testing'

/** Items in an order that a seed gives. */
export function shuffled<T>(items: readonly T[], seed: string | number): T[] {
  const random = createSeededRandom(`${seed}`)
  return items
    .map((item) => ({ item, rank: random.next() }))
    .sort((a, b) => a.rank - b.rank)
    .map(({ item }) => item)
}

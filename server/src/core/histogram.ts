/** Counts values by size, as Prometheus' histograms do. An observation costs a few comparisons. */
export interface Histogram {
  /** Upper bounds of the buckets, inclusive, ascending; one more bucket has what is above. */
  readonly bounds: readonly number[]
  /** How many values fell into each bucket, the last one above all bounds. */
  readonly counts: readonly number[]
  readonly sum: number
  observe(value: number): void
}

/** An empty histogram. */
export function createHistogram(bounds: readonly number[]): Histogram {
  const counts = new Array<number>(bounds.length + 1).fill(0)
  let sum = 0
  return {
    bounds,
    counts,
    get sum() {
      return sum
    },
    observe(value) {
      let at = 0
      while (at < bounds.length && value > (bounds[at] as number)) at++
      counts[at] = (counts[at] as number) + 1
      sum += value
    },
  }
}

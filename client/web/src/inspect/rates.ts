import type { ServerStats } from './management.js'

/** What the server said at one moment. */
export interface Sample {
  /** Milliseconds, of a clock that only goes forward. */
  readonly atMs: number
  readonly stats: ServerStats
}

/** The newest are kept: with one each 2 s, five minutes. */
export const MAX_SAMPLES = 150

export function addSample(samples: readonly Sample[], sample: Sample): readonly Sample[] {
  return [...samples, sample].slice(-MAX_SAMPLES)
}

/** A number as it was at each moment; undefined where the server didn't tell it. */
export function valuesOf(samples: readonly Sample[], name: string): (number | undefined)[] {
  return samples.map(({ stats }) => numberOf(stats[name]))
}

/**
 * How much a count grew each second, from one moment to the next. Undefined where that can't be told: a server that began
 * anew counts from 0 again.
 */
export function ratesOf(samples: readonly Sample[], name: string): (number | undefined)[] {
  return samples.slice(1).map((sample, index) => {
    const before = samples[index] as Sample
    const [from, to] = [numberOf(before.stats[name]), numberOf(sample.stats[name])]
    const seconds = (sample.atMs - before.atMs) / 1_000
    if (from === undefined || to === undefined || to < from || seconds <= 0) return undefined
    return (to - from) / seconds
  })
}

function numberOf(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined
}

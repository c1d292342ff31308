import type { MeasuredServerOptions } from './server-process.js'

/** One line of a bench's result. */
export interface Figure {
  readonly name: string
  readonly value: number
  readonly unit: string
  /** The bound that was set for it, in the same unit; undefined where it is only reported. */
  readonly bound?: number
  /** Whether the bound is met. */
  readonly ok?: boolean
  /** The smallest and the largest of the values of which `value` is the median. */
  readonly spread?: readonly [number, number]
}

/** What a bench is run with. */
export interface BenchContext {
  /** A tenth of the size, to see that it runs. */
  readonly isQuick: boolean
  /** A directory of its own, removed afterwards. */
  readonly directory: string
  /** Says what is going on: one line, replaced by the next. */
  progress(text: string): void
  /** How servers are started that are processes of their own. */
  readonly serverOptions: Omit<MeasuredServerOptions, 'data'>
  /** Path of strfry, a relay to compare with; undefined where there is none. */
  readonly strfry?: string | undefined
}

/** Something that is measured by one command. */
export interface Bench {
  readonly name: string
  readonly summary: string
  run(context: BenchContext): Promise<readonly Figure[]>
}

/** A figure with an upper bound. */
export function atMost(name: string, value: number, bound: number, unit: string): Figure {
  return { name, value, unit, bound, ok: value <= bound }
}

/** A figure that is only reported. */
export function reported(name: string, value: number, unit: string): Figure {
  return { name, value, unit }
}

/** The value below which a part `p` of the values lies, which are sorted and not none. */
export function percentile(sorted: readonly number[], p: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(p * sorted.length))] as number
}

/** A ratio that was taken several times in one run: the median, and how far the others lie from it. */
export function ratio(name: string, values: readonly number[]): Figure {
  const spread = [Math.min(...values), Math.max(...values)] as const
  return { name, value: medianOf(values), unit: '×', spread }
}

/** The median of values that are not none. */
export function medianOf(values: readonly number[]): number {
  return percentile(
    [...values].sort((a, b) => a - b),
    0.5,
  )
}

export function pause(delayMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, delayMs))
}

/** One line of a bench's result. */
export interface Figure {
  readonly name: string
  readonly value: number
  readonly unit: string
  /** The bound that was set for it, in the same unit; undefined where it is only reported. */
  readonly bound?: number
  /** Whether the bound is met. */
  readonly ok?: boolean
}

/** What a bench is run with. */
export interface BenchContext {
  /** A tenth of the size, to see that it runs. */
  readonly isQuick: boolean
  /** A directory of its own, removed afterwards. */
  readonly directory: string
  /** Says what is going on: one line, replaced by the next. */
  progress(text: string): void
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

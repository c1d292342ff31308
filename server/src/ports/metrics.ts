/** One number of a metric. */
export interface MetricSample {
  /** Follows the metric's name: `_bucket`, `_sum` and `_count` of a histogram. @default '' */
  readonly suffix?: string
  /** What the number is of, by label name. */
  readonly labels?: Readonly<Record<string, string>>
  readonly value: number
}

/** Something that a server reports about itself, as Prometheus names it. */
export interface Metric {
  /** `onyx_sync_…`, with the unit in the name; counters end in `_total`. */
  readonly name: string
  readonly help: string
  readonly type: 'counter' | 'gauge' | 'histogram'
  readonly samples: readonly MetricSample[]
}

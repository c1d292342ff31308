/** One number that a server reports about itself, as Prometheus names it. */
export interface Metric {
  /** `onyx_sync_…`, with the unit in the name; counters end in `_total`. */
  readonly name: string
  readonly help: string
  readonly type: 'counter' | 'gauge'
  readonly value: number
  /** What the number is of, by label name. */
  readonly labels?: Readonly<Record<string, string>>
}

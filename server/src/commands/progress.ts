/** Where progress is shown. */
export interface ProgressStream {
  readonly isTTY?: boolean
  write(text: string): unknown
}

/** Shows how far something is. */
export interface Progress<T> {
  tell(value: T): void
  /** Removes what a terminal shows. */
  end(): void
}

const TERMINAL_INTERVAL_MS = 200
const LINES_INTERVAL_MS = 5_000
const CLEAR_LINE = '\r\u001b[2K'

/**
 * On a terminal one line that changes; elsewhere a line every few seconds, so that a log shows it is alive.
 * `describe` is given milliseconds since the start, and called only for what is shown.
 */
export function createProgress<T>(
  stream: ProgressStream,
  now: () => number,
  describe: (value: T, elapsedMs: number) => string,
): Progress<T> {
  const isTerminal = stream.isTTY === true
  const startedAt = now()
  let shownAt = startedAt
  let isShown = false

  return {
    tell(value) {
      if (now() - shownAt < (isTerminal ? TERMINAL_INTERVAL_MS : LINES_INTERVAL_MS)) return
      shownAt = now()
      const text = describe(value, Math.max(1, shownAt - startedAt))
      stream.write(isTerminal ? `${CLEAR_LINE}${text}` : `${text}\n`)
      isShown = isTerminal
    },
    end() {
      if (isShown) stream.write(CLEAR_LINE)
      isShown = false
    },
  }
}

import type { Logger } from '@onyx-sync/shared'

/** From what is only of use to who looks for a fault, to what needs somebody. */
export const LOG_LEVELS = ['debug', 'info', 'warn', 'error'] as const
/** `json` writes one object a line, `text` lines for people. */
export const LOG_FORMATS = ['text', 'json'] as const

export type LogLevel = (typeof LOG_LEVELS)[number]
export type LogFormat = (typeof LOG_FORMATS)[number]

export interface LineLoggerOptions {
  readonly format: LogFormat
  /** The lowest level that is written. */
  readonly level: LogLevel
  /** Unix milliseconds. */
  now(): number
  /** Given one line with its end. */
  write(line: string): unknown
}

/** Node quotes what it could not parse; that is somebody's text. */
const QUOTED_JSON = /, (?:\.\.\.)?".*"(?:\.\.\.)? is not valid JSON/s

/** A logger that writes lines. What a caught error quotes of somebody's text is left out. */
export function createLineLogger({ format, level, now, write }: LineLoggerOptions): Logger {
  const at =
    (of: LogLevel) =>
    (message: string, fields: Record<string, unknown> = {}): void => {
      const time = new Date(now()).toISOString()
      const own = { time, level: of, message }
      if (format === 'json') {
        // In this order, and no field in the place of these.
        write(`${JSON.stringify({ ...own, ...cleaned(fields), ...own })}\n`)
        return
      }
      const details = Object.keys(fields).length === 0 ? '' : ` ${JSON.stringify(cleaned(fields))}`
      write(`${time} ${of} ${message}${details}\n`)
    }
  const [debug, info, warn, error] = LOG_LEVELS.map((of) =>
    LOG_LEVELS.indexOf(of) < LOG_LEVELS.indexOf(level) ? () => {} : at(of),
  ) as [Logger['debug'], Logger['info'], Logger['warn'], Logger['error']]
  return { debug, info, warn, error }
}

function cleaned(fields: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [
      name,
      typeof value === 'string' ? value.replace(QUOTED_JSON, ' is not valid JSON') : value,
    ]),
  )
}

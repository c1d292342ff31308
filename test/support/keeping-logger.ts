import { type Logger, silentLogger } from '@onyx-sync/shared'

/** A logger that keeps what it is told, as `<level> <message> <fields>`. */
export function keepingLogger(): Logger & { readonly lines: string[] } {
  const lines: string[] = []
  const keep = (level: string) => (message: string, fields?: object) => {
    lines.push(`${level} ${message} ${JSON.stringify(fields ?? {})}`)
  }
  return { ...silentLogger, lines, info: keep('info'), warn: keep('warn'), error: keep('error') }
}

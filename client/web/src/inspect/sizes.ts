const decimals = new Intl.NumberFormat(undefined, { maximumFractionDigits: 1 })
const whole = new Intl.NumberFormat()

/** "812 B", "4.2 KB", "1.3 MB". */
export function sizeWords(bytes: number): string {
  if (bytes < 1_000) return `${whole.format(Math.round(bytes))} B`
  if (bytes < 1_000_000) return `${decimals.format(bytes / 1_000)} KB`
  if (bytes < 1_000_000_000) return `${decimals.format(bytes / 1_000_000)} MB`
  return `${decimals.format(bytes / 1_000_000_000)} GB`
}

/** A number with its thousands apart, and one digit behind the point where it has any. */
export function numberWords(value: number): string {
  return decimals.format(value)
}

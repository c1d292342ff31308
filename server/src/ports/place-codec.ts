/** A position of the log, with the epoch that it lies in. */
export interface LogPlace {
  readonly seq: number
  /** 16 hex characters; empty for position 0, which lies before all epochs. */
  readonly epochId: string
}

/** How cursors write places. The same place is always the same text, of letters, digits, `.`, `-` and `_`. */
export interface PlaceCodec {
  write(place: LogPlace): string
  /** Undefined for a text that it didn't write. */
  read(text: string): LogPlace | undefined
}

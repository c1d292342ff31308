/**
 * Gives others their turn in the middle of long work: the app, the browser, a person who types. Work that may be long is
 * done in steps of a few milliseconds, with one of these between two.
 */
export interface Turns {
  /** Resolves in a later task. */
  next(): Promise<void>
}

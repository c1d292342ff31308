/** Exit codes of the command: 0 is done, or sound. */
export const EXIT = {
  /** It could not do what it was asked. */
  failed: 1,
  /** It could not read what it was asked. */
  usage: 2,
  /** `verify`: something is wrong with the data. */
  unsound: 3,
} as const

/** Options that can't be read; the message says which. */
export class UsageError extends Error {
  /** The subcommand whose help says more; undefined for the server's own. */
  readonly command: string | undefined

  constructor(message: string, command?: string) {
    super(message)
    this.command = command
  }
}

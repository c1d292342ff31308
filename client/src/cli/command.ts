import type { SyncClient } from '../client-api.js'
import type { Device } from './device.js'

/** A command line, taken apart. */
export interface Invocation {
  /** The command's words: a key of `HELP`. */
  readonly command: string
  readonly args: readonly string[]
  readonly options: Readonly<Record<string, string | boolean | undefined>>
}

/** How a command ended. */
export interface Outcome {
  /** For `--json`. */
  readonly json: unknown
  /** For people; nothing is printed when it is empty. */
  readonly text: string
  readonly exitCode: number
  /** What goes to stderr. */
  readonly complaint?: string
}

/** A command line that can't be run. `command` says whose help fits. */
export class UsageError extends Error {
  constructor(
    message: string,
    readonly command?: string,
  ) {
    super(message)
  }
}

/** A command that works on an opened device and never touches the network. */
export interface LocalCommand {
  readonly minArgs: number
  readonly maxArgs: number
  run(
    client: SyncClient,
    args: readonly string[],
    options: Invocation['options'],
    device: Device,
  ): Promise<Outcome>
}

/** A command that went well. */
export function done(json: unknown, text: string): Outcome {
  return { json, text, exitCode: 0 }
}

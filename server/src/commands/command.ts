import { type ParseArgsConfig, parseArgs } from 'node:util'
import { SyncError } from '@onyx-sync/shared'
import { UsageError } from './usage.js'

type OptionsConfig = NonNullable<ParseArgsConfig['options']>

/** Values of options by their names. */
export type Values<O extends OptionsConfig> = ReturnType<
  typeof parseArgs<{ options: O; allowPositionals: false; args: string[] }>
>['values']

/** A subcommand of the server's command. */
export interface Command<O extends OptionsConfig> {
  readonly name: string
  readonly help: string
  /** Besides `--json` and `--help`, which every command has. */
  readonly options: O
  /** @returns the exit code */
  run(values: Values<O>, isJson: boolean): Promise<number>
}

const COMMON = { json: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } } as const

/**
 * Runs a subcommand. With `--json` an error is also told on standard output, as `{"error":{"code","message"}}`.
 * Throws what it fails with, and `UsageError` for options that can't be read. @returns the exit code
 */
export async function runCommand<O extends OptionsConfig>(
  { name, help, options, run }: Command<O>,
  args: readonly string[],
): Promise<number> {
  const values = read(name, { ...options, ...COMMON }, args) as Values<O> & { json?: boolean; help?: boolean }
  if (values.help === true) {
    process.stdout.write(help)
    return 0
  }
  const isJson = values.json === true
  try {
    return await run(values, isJson)
  } catch (error) {
    if (isJson && error instanceof SyncError) {
      process.stdout.write(`${JSON.stringify({ error: { code: error.code, message: error.message } })}\n`)
    }
    throw error
  }
}

function read(name: string, options: OptionsConfig, args: readonly string[]): unknown {
  try {
    return parseArgs({ args: [...args], allowPositionals: false, options }).values
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error), name)
  }
}

/** The value of an option that must be given. Throws `UsageError`. */
export function required(name: string, option: string, value: string | undefined): string {
  if (value === undefined || value === '') throw new UsageError(`--${option} is needed`, name)
  return value
}

/** A size for people: `12.3 MB`. */
export function megabytes(bytes: number): string {
  return `${(bytes / 1_000_000).toFixed(1)} MB`
}

import { SyncError } from '../errors.js'
import type { Logger } from '../ports.js'

/**
 * What checks or signs: the system's libsecp256k1, the same as WebAssembly, or JavaScript; `'auto'` is the
 * fastest of them that is there and passes its self-test.
 */
export type SchnorrChoice = 'auto' | 'native' | 'wasm' | 'pure'

/** All choices, for whoever reads one from a configuration. */
export const SCHNORR_CHOICES: readonly SchnorrChoice[] = ['auto', 'native', 'wasm', 'pure']

/** By choice, fastest first, what makes an implementation, or rejects where it is not to be had. */
export type Factories<T> = Readonly<Record<string, () => T | Promise<T>>>

/** What {@link chooseFastest} chooses from, and how. */
export interface Choosing<T, R> {
  /** What it is for, in the log: `verifier` or `signer`. */
  readonly what: string
  readonly choice: SchnorrChoice
  readonly logger: Logger
  readonly factories: Factories<T>
  /** Its self-test, which gives what the choice is wanted for. Throws where it is broken. */
  tryOut(made: T): R
}

/**
 * Of the first that works what its self-test gives. One that is missing or broken is passed over for the next, with a
 * warning; where nobody asked for it by name, that it is missing is only told. Rejects as the last one failed where none
 * works, and with `VALUE_INVALID` for a choice that is none.
 */
export async function chooseFastest<T extends { readonly name: string }, R>(
  choosing: Choosing<T, R>,
): Promise<R> {
  const { what, choice, logger, factories, tryOut } = choosing
  const names = Object.keys(factories)
  const first = choice === 'auto' ? 0 : names.indexOf(choice)
  if (first < 0) throw new SyncError('VALUE_INVALID', `a ${what} is one of ${SCHNORR_CHOICES.join(', ')}`)
  let failure: unknown
  for (const name of names.slice(first)) {
    let made: T
    try {
      made = await (factories[name] as () => T | Promise<T>)()
    } catch (error) {
      failure = error
      const tell = choice === 'auto' ? logger.info : logger.warn
      tell(`the ${name} ${what} is not to be had; the next one is used`, { reason: String(error) })
      continue
    }
    try {
      return tryOut(made)
    } catch (error) {
      failure = error
      logger.warn(`the ${name} ${what} fails its self-test; the next one is used`, {
        [what]: made.name,
        reason: error instanceof Error ? error.message : String(error),
      })
    }
  }
  throw failure
}

import { firstWrongAnswer, type Logger } from '@onyx-sync/shared'
import { type ChosenVerifier, createEventVerifier } from './event-verifier.js'
import { createNativeSchnorr } from './native-schnorr.js'
import { createPureSchnorr } from './pure-schnorr.js'
import type { Schnorr } from './schnorr.js'
import { createWasmSchnorr } from './wasm-schnorr.js'

/**
 * What checks signatures: the system's libsecp256k1, the same as WebAssembly, or JavaScript; `'auto'` is the
 * fastest of them that is there and passes its self-test.
 */
export type VerifierChoice = 'auto' | 'native' | 'wasm' | 'pure'

/** All choices, for whoever reads one from a configuration. */
export const VERIFIER_CHOICES: readonly VerifierChoice[] = ['auto', 'native', 'wasm', 'pure']

/** Makes an implementation, or rejects where it is not to be had. */
export type SchnorrFactory = () => Schnorr | Promise<Schnorr>

/** Fastest first. */
const FACTORIES: Readonly<Record<Exclude<VerifierChoice, 'auto'>, SchnorrFactory>> = {
  native: () => createNativeSchnorr(),
  wasm: createWasmSchnorr,
  pure: createPureSchnorr,
}

/**
 * The verifier that was chosen. One that is missing, or gives a wrong answer on known signatures, is passed
 * over for the next, with a warning; where nobody asked for it by name, that it is missing is only told.
 * Throws only when not even JavaScript's gives right answers.
 *
 * @param factories by choice, fastest first; for tests
 */
export async function chooseVerifier(
  choice: VerifierChoice,
  logger: Logger,
  factories: Readonly<Record<string, SchnorrFactory>> = FACTORIES,
): Promise<ChosenVerifier> {
  const names = Object.keys(factories)
  const first = choice === 'auto' ? 0 : names.indexOf(choice)
  let failure: unknown
  for (const name of names.slice(first)) {
    let schnorr: Schnorr
    try {
      schnorr = await (factories[name] as SchnorrFactory)()
    } catch (error) {
      failure = error
      const tell = choice === 'auto' ? logger.info : logger.warn
      tell(`the ${name} verifier is not to be had; the next one is used`, { reason: String(error) })
      continue
    }
    const wrong = firstWrongAnswer(schnorr.verify)
    if (wrong === undefined) {
      logger.info('signatures are checked by', { verifier: schnorr.name })
      return createEventVerifier(schnorr)
    }
    failure = new Error(wrong)
    logger.warn(`the ${name} verifier fails its self-test; the next one is used`, {
      verifier: schnorr.name,
      reason: wrong,
    })
  }
  throw failure
}

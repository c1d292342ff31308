import { firstWrongAnswer } from '../known-signatures.js'
import type { Logger } from '../ports.js'
import { chooseFastest, type Factories, type SchnorrChoice } from './choose-fastest.js'
import { type ChosenVerifier, createEventVerifier } from './event-verifier.js'
import { createNativeSchnorr } from './native-schnorr.js'
import { createPureSchnorr } from './pure-schnorr.js'
import type { Schnorr } from './schnorr.js'
import { createWasmSchnorr } from './wasm-schnorr.js'

const FACTORIES: Factories<Schnorr> = {
  native: () => createNativeSchnorr(),
  wasm: createWasmSchnorr,
  pure: createPureSchnorr,
}

/**
 * The verifier that was chosen, or the next that is there and answers known signatures rightly (SPEC SIG4). Rejects
 * only when not even JavaScript's gives right answers.
 *
 * @param factories for tests
 */
export function chooseVerifier(
  choice: SchnorrChoice,
  logger: Logger,
  factories = FACTORIES,
): Promise<ChosenVerifier> {
  return chooseFastest({
    ...{ what: 'verifier', choice, logger, factories },
    tryOut(schnorr) {
      const wrong = firstWrongAnswer(schnorr.verify)
      if (wrong !== undefined) throw new Error(wrong)
      logger.info('signatures are checked by', { verifier: schnorr.name })
      return createEventVerifier(schnorr)
    },
  })
}

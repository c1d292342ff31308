import { type EventVerifier, pureVerifier } from '@onyx-sync/shared'

export interface UpgradingVerifierOptions {
  /** Gives a faster one, such as `createSchnorrVerifier` makes. Called once, with the first check. */
  load(): Promise<EventVerifier>
  /** Hears why it stays with JavaScript. */
  onFailed?(reason: string): void
}

/**
 * Checks with noble, in JavaScript, until a faster verifier is loaded, and with that from then on. For what is fast and
 * large, such as WebAssembly in a browser: nobody waits for it.
 */
export function createUpgradingVerifier({ load, onFailed }: UpgradingVerifierOptions): EventVerifier {
  let current = pureVerifier
  let isAsked = false

  function upgrade(): void {
    isAsked = true
    load().then(
      (loaded) => {
        current = loaded
      },
      (error: unknown) => onFailed?.(String(error)),
    )
  }

  return {
    get name() {
      return current.name
    },
    verify(event) {
      if (!isAsked) upgrade()
      current.verify(event)
    },
  }
}

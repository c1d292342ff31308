import type { Clock, Logger, Random } from './ports.js'

/** The platform's own clock and timers. */
export const systemClock: Clock = {
  now: () => Date.now(),
  setTimeout: (callback, delayMs) => setTimeout(callback, delayMs),
  clearTimeout: (handle) => clearTimeout(handle as ReturnType<typeof setTimeout>),
}

/** The platform's cryptographic random source (Web Crypto). */
export const systemRandom: Random = {
  next: () => {
    const word = new Uint32Array(1)
    globalThis.crypto.getRandomValues(word)
    return (word[0] as number) / 2 ** 32
  },
  bytes: (length) => globalThis.crypto.getRandomValues(new Uint8Array(length)),
}

/** A logger that keeps quiet: the default wherever a library must not write to somebody's console. */
export const silentLogger: Logger = {
  debug: () => {},
  info: () => {},
  warn: () => {},
  error: () => {},
}

import type { Clock, Logger, Random } from './ports.js'

/** The platform's own clock and timers. */
export const systemClock: Clock = {
  now: () => Date.now(),
  setTimeout: (callback, delayMs) => setTimeout(callback, delayMs),
  clearTimeout: (handle) => clearTimeout(handle as ReturnType<typeof setTimeout>),
}

/** The platform's cryptographic random source (Web Crypto). */
export const systemRandom: Random = {
  // From bytes, because there are stand-ins for getRandomValues that put a byte into each element, however wide.
  next: () => {
    const { buffer } = globalThis.crypto.getRandomValues(new Uint8Array(4))
    return new DataView(buffer).getUint32(0) / 2 ** 32
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

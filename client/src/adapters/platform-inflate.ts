import { type Inflate, inflateBounded } from '@onyx-sync/shared'

interface Zlib {
  inflateRawSync(deflated: Uint8Array, options: { readonly maxOutputLength: number }): Uint8Array
}

interface Globals {
  readonly process?: { readonly getBuiltinModule?: (name: string) => unknown }
}

/** What is smaller is inflated faster than zlib is set up. Bytes. */
const SMALL_BYTES = 2 * 1024
/** More than any Node gives out. Bytes. */
const MOST_BYTES = 2 ** 31 - 1

/**
 * Undoes raw DEFLATE by the platform's zlib, where that is there without being imported, as on Node: several times as fast as
 * JavaScript. For what the server made; of what others may have made the log says what JavaScript makes of it.
 * Throws as {@link inflateBounded} does.
 */
export function platformInflate(globals: object = globalThis): Inflate {
  const { process } = globals as Globals
  const zlib = process?.getBuiltinModule?.('node:zlib') as Partial<Zlib> | undefined
  const inflateRawSync = zlib?.inflateRawSync
  if (inflateRawSync === undefined) return inflateBounded
  return (deflated, maxBytes) => {
    if (deflated.byteLength < SMALL_BYTES) return inflateBounded(deflated, maxBytes)
    try {
      const { buffer, byteOffset, byteLength } = inflateRawSync(deflated, {
        maxOutputLength: Math.min(maxBytes, MOST_BYTES),
      })
      // A plain view, not a Buffer.
      return new Uint8Array(buffer, byteOffset, byteLength)
    } catch {
      // Says in our own words what is wrong.
      return inflateBounded(deflated, maxBytes)
    }
  }
}

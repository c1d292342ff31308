import type { Part } from '@onyx-sync/shared'

/** Parts of one whole, in their order, as they come. */
export interface ComingParts {
  /** The next part, once it is there. Undefined behind the last one, and once it is known that no more will come. */
  next(): Promise<Uint8Array | undefined>
  /** Whether all parts were handed on. */
  readonly isWhole: boolean
}

/** Hands on the parts of one whole as they come, to whoever goes through them. */
export interface PartStream extends ComingParts {
  /** Takes a part. @returns false, and takes nothing, where it isn't the next one; the same part again is ignored */
  take(part: Part, bytes: Uint8Array): boolean
  /** No more will come, and what came and wasn't handed on isn't any more. */
  cut(): void
}

/** @param part any part of the whole: says how many there are */
export function createPartStream({ group, count }: Part): PartStream {
  const waiting: Uint8Array[] = []
  let taken = 0
  let given = 0
  let isCut = false
  let wake: (() => void) | undefined

  return {
    take(part, bytes) {
      if (part.group !== group || part.count !== count || part.index > taken) return false
      if (part.index < taken) return true
      taken++
      waiting.push(bytes)
      wake?.()
      return true
    },
    cut() {
      isCut = true
      wake?.()
    },
    get isWhole() {
      return given === count && !isCut
    },
    async next() {
      if (given === count) return undefined
      while (waiting.length === 0 && !isCut) {
        await new Promise<void>((resolve) => {
          wake = resolve
        })
      }
      if (isCut) return undefined
      given++
      return waiting.shift()
    },
  }
}

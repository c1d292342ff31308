/** How a call ended. If neither is called, it may have happened or not. */
export interface Attempt {
  /** It has returned: it happened. */
  returned(): void
  /** It said that there was nothing to change: it did not happen. */
  declined(): void
}

/** Notes a call among others that do the same; undefined `calls`: what they are about is unknown, and nothing is noted. */
export function noteCall<C>(calls: Map<symbol, C> | undefined, attempted: C, certain: C): Attempt {
  const call = Symbol('call')
  calls?.set(call, attempted)
  return {
    returned: () => void calls?.set(call, certain),
    declined: () => void calls?.delete(call),
  }
}

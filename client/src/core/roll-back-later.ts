import type { RollBack } from './roll-back.js'

/**
 * For pages of browsers. It is a good deal of code, which one needs only where another program of this database checked when
 * it was idle, and took something forged for right: it is loaded then.
 */
export const rollBackLater: RollBack = async (...args) => (await import('./roll-back.js')).rollBack(...args)

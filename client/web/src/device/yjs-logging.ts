/*
 * What Yjs prints its few warnings with, in the place of `lib0/logging`, which can show them in the page too, and brings a
 * library of schemas along for that.
 */

/** Colours and weights are for terminals. */
export const [ORANGE, BOLD, UNBOLD, RED] = ['', '', '', '']

export const { warn } = console
export const print = warn

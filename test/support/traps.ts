/**
 * How sync engines have lost, doubled or leaked data, each a test of ours that carries its id. The ids are
 * stable; `docs/SPEC.md` names the rules that answer them.
 */
export const TRAPS = {
  Y1: 'deletions do not show in a state vector',
  Y2: 'one missing update holds up every later one of its writer',
  Y3: 'an update that only waits for others emits nothing, and is lost if what is emitted is stored',
  Y4: 'what is visible while updates are pending may be incomplete',
  Y5: 'a cloned or restored device that writes under its old clientID diverges unnoticed',
  Y6: "somebody else's clientID, used first, displaces its owner's edits",
  Y7: 'two devices that create a nested type under one key lose one of the two',
  Y8: 'importing twice doubles',
  Y9: 'a flipped bit can be applied without an error',
  Y10: 'merged updates keep their garbage',
  Y11: 'settings written often grow without bound',
  Y12: 'a reconnect sends what both sides have',
  Y13: 'the order of arrival shows in the result',
  Y14: 'a hostile update hurts whoever decodes it',
  Y15: 'a weak random source makes clientIDs collide',
  S1: 'a document is seen empty while it is being loaded',
  S2: 'a reconnect during an unload loses an edit',
  S3: 'an event falls between reading the store and joining the live feed',
  S4: 'a write that failed is called done',
  S5: 'what was called saved is gone after a crash',
  S6: 'a crash in the middle of a compaction loses data',
  S7: 'slow or idle connections use up memory',
  S8: 'an observer that throws takes a write with it',
  S9: 'a key that lost its rights still reads or writes on an open connection',
  S10: 'a backfill stops at a limit, or at equal timestamps',
  C1: 'an edit is kept without its outbox entry, or the other way round',
  C2: 'a resend is another event',
  C3: 'the cursor moves before what it covers is stored',
  C4: 'one refused event holds up the others, unseen',
  C5: 'a failed send waits for another edit',
  C6: 'two devices that come back at once block each other',
  C7: 'an edit within the batching window is lost on closing',
  C8: '"unsent" never reaches 0, or reaches it too early',
  C9: 'a dead socket that looks open is kept',
  C10: 'two tabs write twice, or nobody does',
  C11: 'clients come back as a crowd, or never give up',
  C12: 'a wrong clock keeps edits from syncing',
  C13: 'an edit that is old when it arrives is refused',
  C14: "another identity gets or sends the first one's data",
  C15: 'a database that fails underneath is not noticed',
  C16: 'a streamed reply makes an event per token',
  C17: 'a streamed reply lands in the chat that happens to be open',
  C18: 'a secret leaves the device',
} as const

/** Traps whose parts are not built yet, with the part that closes them. A trap leaves this list with its test. */
export const OPEN_TRAPS: Readonly<Partial<Record<keyof typeof TRAPS, string>>> = {
  C10: 'several tabs on one database',
}

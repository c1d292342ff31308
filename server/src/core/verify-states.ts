import { applyUpdate, hasPending, hasSameBytes, hasSameState } from '@onyx-sync/shared'
import * as Y from 'yjs'
import type { KeptState } from '../ports/event-log.js'
import { mergeInto, mergeTogether } from './merging.js'
import { piecesOf } from './state-pieces.js'
import type { Findings } from './verify-findings.js'

/** Rebuilds one document from its events, beside what was kept of it. */
export interface StateCheck {
  /** What the events give so far. */
  readonly rebuilt: Y.Doc
  /** Applies what `body` applies in one go: many times faster. */
  transact(body: () => void): void
  /** Takes the next event of the log. */
  apply(seq: number, update: Uint8Array): void
  /** Compares. If events are damaged or missing, the kept state may be the last that has what they said. */
  finish(isSure: boolean): Promise<void>
}

/** Begins with what is kept of a document, and nothing else. */
export async function createStateCheck(check: Findings, address: string): Promise<StateCheck> {
  const { log, counts } = check
  const rebuilt = new Y.Doc()
  const kept = new Y.Doc()
  let throughSeq = 0
  let problem: string | undefined
  const refused: { readonly seq: number; readonly message: string }[] = []

  const state = await readKept()

  async function readKept(): Promise<KeptState | undefined> {
    try {
      const found = await log.keptState(address)
      if (found === undefined) return undefined
      ;({ throughSeq } = found)
      if (throughSeq > log.head) problem = `it is of position ${throughSeq}, beyond the log`
      else {
        // To its end, before anything of it is applied.
        for (const update of found.updates) Y.decodeUpdate(update)
        mergeInto(kept, found.updates)
      }
      return found
    } catch (error) {
      // A database that can't be read is another matter than a value that is no state.
      if (typeof (error as { code?: unknown }).code === 'string' && !(error instanceof RangeError))
        throw error
      problem = "it can't be read"
      return { throughSeq: 0, updates: [] }
    }
  }

  return {
    rebuilt,
    transact(body) {
      mergeTogether(rebuilt, () => mergeTogether(kept, body))
    },
    apply(seq, update) {
      try {
        applyUpdate(rebuilt, update)
      } catch (error) {
        refused.push({ seq, message: `its update can't be applied: ${String(error)}` })
        return
      }
      if (state === undefined || problem !== undefined || seq <= throughSeq) return
      try {
        applyUpdate(kept, update)
      } catch {
        problem = 'the events after it do not go with it'
      }
    },
    async finish(isSure) {
      for (const { seq, message } of refused)
        await check.note({ kind: 'event-damaged', seq, address, message })
      if (hasPending(rebuilt)) counts.gaps++
      if (state === undefined) return
      if (!isSure || refused.length > 0) {
        counts.uncheckedStates++
        return
      }
      counts.keptStates++
      if (problem === undefined && hasSameBytes(kept, rebuilt)) return
      const message = problem ?? differences(kept, rebuilt)
      const fault = { kind: 'state', address, message: `its kept state is wrong: ${message}` } as const
      // One that hangs on something missing is never kept.
      if (hasPending(rebuilt)) await check.note(fault, { drop: [{ index: 'state', address }] })
      else {
        const updates = piecesOf(rebuilt)
        await check.note(fault, { state: { address, kept: { throughSeq: log.head, updates } } })
      }
    },
  }
}

function differences(kept: Y.Doc, rebuilt: Y.Doc): string {
  if (hasSameState(kept, rebuilt)) return 'it has other contents than the events give'
  return 'it has other structs or deletions than the events give'
}

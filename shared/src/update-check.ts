import { SyncError } from './errors.js'
import { DOCUMENT_ROOTS, type DocumentKind } from './kinds.js'
import type { Limits } from './limits.js'
import { scanUpdate } from './update-scan.js'
import { NotAnUpdate } from './update-values.js'

/** What a look into an update tells without applying it. */
export interface UpdateSummary {
  /** Yjs client ids under which the update writes, each once. Deletions are no writing. */
  readonly clientIds: readonly number[]
}

/** Steps beyond one for each struct that an update may cost whoever applies it: some tens of milliseconds. */
const MAX_EXTRA_STEPS = 10_000_000

/**
 * Looks through a Yjs update without applying it, and refuses what would hurt whoever applies it: bytes that
 * don't decode, more structs than the limit, clocks out of range, values nested too deeply, subdocuments, root
 * types the kind doesn't have, and what would take Yjs far longer than its size tells (trap Y14). Throws
 * `UPDATE_INVALID` or `TOO_LARGE`. `encodeStateVectorFromUpdate` would accept random bytes. Source: SPEC YJS6, YJS7.
 */
export function checkUpdate(update: Uint8Array, kind: DocumentKind, limits: Limits): UpdateSummary {
  const roots = DOCUMENT_ROOTS[kind]
  let total = 0
  try {
    const { clientIds, extraSteps } = scanUpdate(update, {
      root(name) {
        if (roots.includes(name)) return
        throw new SyncError(
          'UPDATE_INVALID',
          `a document of kind ${kind} has the roots ${roots.join(' and ')}, not ${JSON.stringify(name.slice(0, 64))}`,
        )
      },
      count(more) {
        total += more
        if (total > limits.maxUpdateStructs) throw tooMany(limits)
      },
    })
    if (extraSteps > MAX_EXTRA_STEPS) {
      throw new SyncError(
        'TOO_LARGE',
        'applying the update would take far longer than its size tells: long lists of values that are cut apart, or a key that got thousands of first values',
      )
    }
    return { clientIds }
  } catch (cause) {
    if (cause instanceof SyncError) throw cause
    const reason = cause instanceof NotAnUpdate ? `: ${cause.message}` : ''
    throw new SyncError('UPDATE_INVALID', `content is not a Yjs update (format V1)${reason}`, { cause })
  }
}

function tooMany({ maxUpdateStructs }: Limits): SyncError {
  return new SyncError(
    'TOO_LARGE',
    `an update has at most ${maxUpdateStructs} structs, delete ranges and values: split the edit`,
  )
}

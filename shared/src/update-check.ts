import * as Y from 'yjs'
import { SyncError } from './errors.js'
import { DOCUMENT_ROOTS, type DocumentKind } from './kinds.js'
import type { Limits } from './limits.js'

/** Yjs keeps clocks in JavaScript numbers and writes them as 32-bit varints in places: stay far below. */
const MAX_CLOCK = 2 ** 31

/** What a look into an update tells without applying it. */
export interface UpdateSummary {
  /** Yjs client ids under which the update writes, each once. Deletions are no writing. */
  readonly clientIds: readonly number[]
}

/**
 * Decodes a Yjs update without applying it, and refuses what would hurt whoever applies it: bytes that don't
 * decode, more structs than the limit, clocks out of range, root types the kind doesn't have (trap Y14).
 * Throws `UPDATE_INVALID` or `TOO_LARGE`. `encodeStateVectorFromUpdate` would accept random bytes.
 */
export function checkUpdate(update: Uint8Array, kind: DocumentKind, limits: Limits): UpdateSummary {
  let decoded: ReturnType<typeof Y.decodeUpdate>
  try {
    decoded = Y.decodeUpdate(update)
  } catch (cause) {
    throw new SyncError('UPDATE_INVALID', 'content is not a Yjs update (format V1)', { cause })
  }
  const roots = DOCUMENT_ROOTS[kind]
  let count = decoded.structs.length
  const clientIds = new Set<number>()
  for (const struct of decoded.structs) {
    if (!(struct instanceof Y.Skip)) clientIds.add(struct.id.client)
    checkRange(struct.id.clock, struct.length)
    const parent = struct instanceof Y.Item ? (struct.parent as unknown) : null
    if (typeof parent === 'string' && !roots.includes(parent)) {
      throw new SyncError(
        'UPDATE_INVALID',
        `a document of kind ${kind} has the roots ${roots.join(' and ')}, not ${JSON.stringify(parent.slice(0, 64))}`,
      )
    }
  }
  for (const ranges of decoded.ds.clients.values()) {
    count += ranges.length
    for (const range of ranges) checkRange(range.clock, range.len)
  }
  if (count > limits.maxUpdateStructs) {
    throw new SyncError(
      'TOO_LARGE',
      `${count} structs are more than the ${limits.maxUpdateStructs} allowed: split the edit`,
    )
  }
  return { clientIds: [...clientIds] }
}

function checkRange(clock: number, length: number): void {
  if (!(clock >= 0) || !(length > 0) || clock + length > MAX_CLOCK) {
    throw new SyncError('UPDATE_INVALID', `clock ${clock} with length ${length} is out of range`)
  }
}

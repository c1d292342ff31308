import { isGiftWrapKind, SyncError } from '@onyx-sync/shared'
import type { CheckedEvent } from './check-event.js'
import type { IngestOutcome } from './ingest.js'

/**
 * What is said about an event that came from somebody else than its author, who must not learn from it whether it is
 * here already, whether its receiver deleted it, nor how much the receiver has. Source: NIP-59, SPEC LEAK9.
 */
export function discreetOutcome({ event }: CheckedEvent, outcome: IngestOutcome): IngestOutcome {
  if (!isGiftWrapKind(event.kind)) return outcome
  if (outcome === 'duplicate') return 'stored'
  if (outcome instanceof SyncError && (outcome.code === 'DELETED' || outcome.code === 'QUOTA_EXCEEDED')) {
    return new SyncError('WRITE_RESTRICTED', 'its receiver takes no such gift wrap here')
  }
  return outcome
}

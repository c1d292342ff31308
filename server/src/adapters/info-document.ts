import { classOfKind, KIND, type Limits } from '@onyx-sync/shared'

/** What the NIP-11 document is made of. */
export interface InfoDocumentInput {
  readonly version: string
  /** The server's own public key, 64 lower-case hex characters. */
  readonly publicKey: string
  readonly limits: Limits
  readonly name: string
  readonly description: string
  /** Whether somebody may manage the server over HTTP (NIP-86). */
  readonly isManaged: boolean
  /** Further kinds that are taken. */
  readonly extraKinds: readonly number[]
}

/**
 * The relay information document. `yjs_sync` tells a client that every update event is kept, so that it may
 * send increments, `yjs_summaries` that it tells of documents without
 * their bodies. `limitation` says what is really enforced, and nothing else. `software` would have to be a URL
 * and is left out. Source: NIP-11, SPEC INFO1, WIR6.
 */
export function createInfoDocument(input: InfoDocumentInput): Record<string, unknown> {
  const { limits, extraKinds } = input
  const nips = [1, 9, 11, 40, 42, 45, ...(extraKinds.includes(1059) ? [59] : []), 62, 67, 70, 77]
  const own = [KIND.chat, KIND.settings, KIND.training, KIND.deletion]
  const stored = extraKinds.filter((kind) => classOfKind(kind) !== 'ephemeral')
  return {
    name: input.name,
    description: input.description,
    self: input.publicKey,
    version: input.version,
    supported_nips: [...nips, ...(input.isManaged ? [86, 98] : [])],
    yjs_sync: 1,
    yjs_summaries: 1,
    limitation: {
      max_message_length: limits.maxMessageBytes,
      max_subscriptions: limits.maxSubscriptions,
      max_subid_length: limits.maxSubscriptionIdLength,
      max_event_tags: limits.maxTags,
      max_content_length: limits.maxEventBytes,
      auth_required: true,
      payment_required: false,
      restricted_writes: true,
    },
    retention: [{ kinds: [...new Set([...own, ...stored])], time: null }],
  }
}

import {
  type EventTemplate,
  type Limits,
  type NostrEvent,
  parseEvent,
  type Signer,
  SyncError,
  toSyncError,
} from '@onyx-sync/shared'

/**
 * Has a template signed, and looks at what comes back: it must be an event of this account with the template's
 * content. Rejects with `SIGNER_FAILED`.
 */
export async function signChecked(
  signer: Signer,
  pubkey: string,
  template: EventTemplate,
  limits: Limits,
): Promise<NostrEvent> {
  let signed: NostrEvent
  try {
    signed = parseEvent(await signer.signEvent(template), limits)
  } catch (error) {
    throw new SyncError('SIGNER_FAILED', `the signer did not sign: ${toSyncError(error).message}`, {
      cause: error,
    })
  }
  if (signed.pubkey !== pubkey)
    throw new SyncError('SIGNER_FAILED', `the signer signed as ${signed.pubkey}, not as ${pubkey}`)
  const isSame = (['kind', 'created_at', 'content'] as const).every((key) => signed[key] === template[key])
  if (!isSame || JSON.stringify(signed.tags) !== JSON.stringify(template.tags))
    throw new SyncError('SIGNER_FAILED', 'the signer signed something else than it was given')
  return signed
}

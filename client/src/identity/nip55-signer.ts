import { type EventTemplate, type NostrEvent, type Signer, SyncError } from '@onyx-sync/shared'
import { decode } from 'nostr-tools/nip19'
import { getEventHash } from 'nostr-tools/pure'

/** An intent for a signer app: `expo-intent-launcher`'s `startActivityAsync` takes one as its parameters. */
export interface SignerIntent {
  readonly data: string
  readonly packageName?: string
  readonly extra: Readonly<Record<string, string>>
}

/** What the app gave back: `extra` as Android hands it over. */
export interface SignerResult {
  /** -1 is Android's `RESULT_OK`. */
  readonly resultCode: number
  readonly extra?: Readonly<Record<string, unknown>> | undefined
}

export interface Nip55SignerOptions {
  /** Starts the app, and waits until the person is back: `(i) => startActivityAsync('android.intent.action.VIEW', i)`. */
  launch(intent: SignerIntent): Promise<SignerResult>
  /** The account, where it is known from an earlier start: 64 hex characters. Else the app is asked once. */
  readonly publicKey?: string
  /** The app to ask, such as `com.greenart7c3.nostrsigner`. @default the one that says who it is when it is first asked */
  readonly packageName?: string
  /** Kinds that the person is asked for once, to allow them for good. @default what a device signs */
  readonly kinds?: readonly number[]
}

const RESULT_OK = -1
const HEX_64 = /^[0-9a-f]{64}$/
const HEX_128 = /^[0-9a-f]{128}$/
/** Chats, settings, training data, deletions, logins, presence and summaries. */
const SIGNED_KINDS = [30001, 10001, 1, 5, 22242, 20001, 20002]

/**
 * A signer that is another Android app, asked by intents (NIP-55). One question at a time, because the system shows
 * one app at a time. Its calls reject with `SIGNER_FAILED` when the person says no or the app answers something else.
 */
export function createNip55Signer({ launch, kinds = SIGNED_KINDS, ...options }: Nip55SignerOptions): Signer {
  let { packageName } = options
  let publicKey = options.publicKey === undefined ? undefined : readKey(options.publicKey)
  let last: Promise<unknown> = Promise.resolve()

  /** Asks when all earlier questions are answered. */
  function ask(
    data: string,
    extra: Readonly<Record<string, string>>,
  ): Promise<Readonly<Record<string, unknown>>> {
    const asked = last.then(async () => {
      const intent = {
        data: `nostrsigner:${data}`,
        extra,
        ...(packageName === undefined ? {} : { packageName }),
      }
      const { resultCode, extra: answer } = await launch(intent)
      if (resultCode !== RESULT_OK || answer === undefined || answer.rejected !== undefined)
        throw new SyncError(
          'SIGNER_FAILED',
          'the signer app did not sign: it was closed, or the person said no',
        )
      return answer
    })
    last = asked.catch(() => {})
    return asked
  }

  async function askForKey(): Promise<string> {
    const permissions = kinds.map((kind) => ({ type: 'sign_event', kind }))
    const answer = await ask('', { type: 'get_public_key', permissions: JSON.stringify(permissions) })
    // Older apps call it `signature`.
    publicKey = readKey(answer.result ?? answer.signature)
    if (typeof answer.package === 'string') packageName ??= answer.package
    return publicKey
  }

  let asking: Promise<string> | undefined
  const getPublicKey = async (): Promise<string> => {
    if (publicKey !== undefined) return publicKey
    asking ??= askForKey().finally(() => {
      asking = undefined
    })
    return asking
  }

  return {
    getPublicKey,
    async signEvent(template: EventTemplate): Promise<NostrEvent> {
      const pubkey = await getPublicKey()
      const unsigned = { ...template, tags: template.tags.map((tag) => [...tag]), pubkey }
      const id = getEventHash(unsigned)
      const json = JSON.stringify({ ...unsigned, id, sig: '' })
      const answer = await ask(encodeURIComponent(json), { type: 'sign_event', id, current_user: pubkey })
      const sig = answer.result ?? answer.signature
      if (typeof sig !== 'string' || !HEX_128.test(sig))
        throw new SyncError('SIGNER_FAILED', 'the signer app answered without a signature')
      return { ...unsigned, id, sig }
    },
  }
}

/** A key as hex or `npub`. */
function readKey(value: unknown): string {
  if (typeof value === 'string') {
    if (HEX_64.test(value)) return value
    try {
      const decoded = decode(value as `npub1${string}`)
      if (decoded.type === 'npub') return decoded.data
    } catch {
      // It is none of the two.
    }
  }
  throw new SyncError('SIGNER_FAILED', 'the signer app gave no public key')
}

import { useEffect } from 'react'
import type { SyncClient } from '../client-api.js'
import type { DocumentPresence, PresenceState } from '../core/presence-room.js'
import { useSyncClient } from './provider.js'
import { failed, LOADING, type Progress } from './result.js'
import { openParts, type SourceParts } from './source.js'
import { keyOf, useShared } from './use-source.js'
import { createRetry } from './when-there.js'

export interface PresenceResult extends Progress {
  /** Everybody who is there, this device first if it has a state. */
  readonly states: readonly PresenceState[]
  /** Everybody but this device; other devices of this account are among them. */
  readonly others: readonly PresenceState[]
}

type LocalState = PresenceState['state']

interface PresenceParts extends SourceParts<PresenceResult> {
  /** Says what this device does until the function that it returns is called, unless something else is said meanwhile. */
  say(state: LocalState): () => void
}

const BLANK: PresenceResult = { ...LOADING, states: [], others: [] }

/**
 * Who is in a chat now, and what they do. `state` is what this device says of itself for as long as the component is
 * mounted, such as `{ typing: true }`; without one it only listens. One state per device and chat: the newest holds. For
 * each that is said the signer is asked, again every 15 s.
 */
export function usePresence(chat: string | undefined, state?: LocalState): PresenceResult {
  const client = useSyncClient()
  const key = chat === undefined ? undefined : keyOf('presence', chat)
  const result = useShared(key, BLANK, (opened) => createPresenceParts(opened, chat as string))
  const words = state === undefined ? undefined : JSON.stringify(state)
  useEffect(() => {
    if (client === undefined || key === undefined || words === undefined) return undefined
    return openParts<PresenceParts>(client, key)?.say(JSON.parse(words) as LocalState)
  }, [client, key, words])
  return result
}

function createPresenceParts(client: SyncClient, chat: string): PresenceParts {
  let result = BLANK
  let presence: DocumentPresence | undefined
  let said: { readonly state: LocalState } | undefined
  let tellNow = () => {}

  function show(next: PresenceResult): void {
    result = next
    tellNow()
  }

  function look(): void {
    const states = presence?.states() ?? []
    show({ status: 'ready', error: undefined, states, others: states.filter(({ isLocal }) => !isLocal) })
  }

  function sayNow(state: LocalState | null): void {
    try {
      presence?.setLocal(state)
    } catch (error) {
      show({ ...result, ...failed(error) })
    }
  }

  return {
    read: () => result,
    say(state) {
      const words = { state }
      said = words
      sayNow(state)
      // In strict mode, and where another state follows, it is said again at once: nobody needs to hear of the pause.
      return () =>
        queueMicrotask(() => {
          if (said !== words) return
          said = undefined
          sayNow(null)
        })
    },
    start(tell) {
      tellNow = tell
      const mayRetry = createRetry(client, chat)
      let endPresence = () => {}

      function open(): void {
        try {
          presence = client.presence(client.chats.addressOf(chat))
          endPresence = presence.onChange(look)
          look()
          if (said !== undefined) sayNow(said.state)
        } catch (error) {
          show({ ...BLANK, ...failed(error) })
        }
      }

      const endStatus = client.onStatus(() => {
        if (presence === undefined && result.error !== undefined && mayRetry(result.error)) open()
      })
      open()
      return () => {
        endStatus()
        endPresence()
        presence?.leave()
        presence = undefined
        said = undefined
        result = BLANK
      }
    },
  }
}

import type { Chat, Message } from '@onyx-sync/client'
import { useSyncStatus } from '@onyx-sync/client/react'
import { useEffect, useRef, useState } from 'react'
import { useDevice } from '../device/device-context.js'

/** Public keys, `npub1…`, of those who wrote messages that this account didn't, by message id; empty where nobody can tell. */
export type Authors = ReadonlyMap<string, string>

const NOBODY: Authors = new Map()

/**
 * Who wrote what of a chat that is open. The device knows it from the signed edits that came here; for what came otherwise
 * the server is asked, once for the whole chat and connection.
 */
export function useAuthors(chat: Chat | undefined, messages: readonly Message[]): Authors {
  const { client, account } = useDevice()
  const isLive = useSyncStatus(({ connection }) => connection === 'live')
  const [authors, setAuthors] = useState(NOBODY)
  const isAsked = useRef(false)
  const ids = messages.map(({ id }) => id)
  const key = ids.join()

  // biome-ignore lint/correctness/useExhaustiveDependencies: another connection may know more
  useEffect(() => {
    isAsked.current = false
  }, [chat, isLive])

  // biome-ignore lint/correctness/useExhaustiveDependencies: the key says which messages there are
  useEffect(() => {
    if (chat === undefined) return undefined
    const { address, owner } = chat
    let isOver = false

    async function look() {
      // Nobody waits for it, so that it needn't be there when the page is.
      const { findAuthors } = await import('./find-authors.js')
      return findAuthors({
        ...{ client, pubkey: account.pubkey, address, owner, ids },
        mayAsk() {
          const isFirst = isLive && !isAsked.current
          isAsked.current ||= isLive
          return isFirst
        },
      })
    }

    look().then(
      (next) => isOver || setAuthors(next),
      // The chat has just gone from this device: there is nothing to show it beside.
      () => {},
    )
    return () => {
      isOver = true
    }
  }, [client, chat, key, isLive, account])
  return authors
}

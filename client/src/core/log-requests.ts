import { addressToDTag, type DocumentAddress, EOSE_MORE, formatAddress } from '@onyx-sync/shared'
import type { Incoming, Session } from './session-api.js'

export interface LogRequestsParts extends Pick<Session, 'open' | 'shut'> {
  onIncoming(incoming: Incoming): void
}

/** Asks for whole logs of documents of which something is missing here: one after another, beside everything else. */
export interface LogRequests {
  ask(address: DocumentAddress): void
  /** The connection is gone, and with it what was asked for. */
  forget(): void
}

const LOG_ID = 'log'

export function createLogRequests({ open, shut, onIncoming }: LogRequestsParts): LogRequests {
  /** The first is under way. */
  let wanted: DocumentAddress[] = []

  function askForFirst(): void {
    const [address] = wanted
    if (address === undefined) return
    // A member's event names the document in an `a` tag; the owner's is found by its author.
    const ownEvents = { kinds: [address.kind], authors: [address.owner], '#d': [addressToDTag(address)] }
    const membersEvents = { kinds: [address.kind], '#a': [formatAddress(address)] }
    open(LOG_ID, [ownEvents, membersEvents], {
      // Part of one document's log says nothing of how far the others are.
      onEvent: (event) => onIncoming({ type: 'event', event, cursor: undefined, isRefetched: true }),
      onEose(hints) {
        if (!hints.includes(EOSE_MORE)) onIncoming({ type: 'log-end', address: formatAddress(address) })
        goOn()
      },
      onClosed: goOn,
    })
  }

  function goOn(): void {
    wanted.shift()
    shut(LOG_ID)
    askForFirst()
  }

  return {
    ask(address) {
      wanted.push(address)
      if (wanted.length === 1) askForFirst()
    },
    forget() {
      wanted = []
    },
  }
}

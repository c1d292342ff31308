import { encodeRelay, type SyncError } from '@onyx-sync/shared'
import type { Peer } from '../ports/peer.js'
import type { Brake } from './brake.js'
import type { Counters } from './counters.js'
import { peekId, peekType } from './peek.js'
import type { ConnectionMeter } from './rate-limits.js'

/** Refuses what is too much before anything is parsed of it. Source: SPEC RATE1–RATE4. */
export interface MessageGate {
  /** Whether a message may be handled. One that may not has been answered. @param bytes its size */
  admits(text: string, bytes: number): boolean
}

export interface MessageGateOptions {
  readonly meter: ConnectionMeter
  readonly brake: Brake
  readonly peer: Peer
  readonly counters: Counters
  endSubscription(subscriptionId: string): void
  /** Takes note of a refusal. */
  refused(error: SyncError): void
}

export function createMessageGate(options: MessageGateOptions): MessageGate {
  const { meter, brake, peer, counters } = options

  function whyTooMuch(type: string, bytes: number): SyncError | undefined {
    const error = meter.message(bytes)
    // What ends something is always taken: it makes less work.
    if (type === 'CLOSE' || type === 'NEG-CLOSE') return undefined
    if (error !== undefined) return error
    if (type === 'AUTH') return meter.auth()
    if (type === 'EVENT') return meter.event()
    return type === 'REQ' || type === 'COUNT' || type === 'NEG-OPEN' ? meter.request() : undefined
  }

  /** Answers it where its sender looks for the answer. */
  function refuse(type: string, id: string, { reason }: SyncError): void {
    if (type === 'EVENT' || type === 'AUTH') {
      counters.eventsRefused++
      peer.send(encodeRelay.ok(id, false, reason))
    } else if ((type === 'REQ' || type === 'COUNT') && id !== '') {
      // NIP-01: a new REQ replaces the one of the same id, also when it is refused.
      if (type === 'REQ') options.endSubscription(id)
      peer.send(encodeRelay.closed(id, reason))
    } else if (type.startsWith('NEG-') && id !== '') {
      peer.send(encodeRelay.negErr(id, reason))
    } else {
      peer.send(encodeRelay.notice(reason))
    }
  }

  return {
    admits(text, bytes) {
      const type = peekType(text)
      const error = whyTooMuch(type, bytes)
      if (error === undefined) {
        brake.accepted()
        return true
      }
      brake.refused()
      options.refused(error)
      refuse(type, peekId(type, text), error)
      return false
    },
  }
}

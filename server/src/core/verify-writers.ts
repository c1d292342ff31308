import { type DecodedUpdateEvent, KIND } from '@onyx-sync/shared'
import * as Y from 'yjs'
import type { Findings } from './verify-findings.js'

/** Checks that what is written under a Yjs client id was written by the key that it belongs to. */
export interface WriterCheck {
  /** Looks up whom client ids belong to, before the events that use them. */
  learn(clientIds: readonly number[]): Promise<void>
  /**
   * Looks at the next event of the log, before it is applied.
   *
   * @returns whether it brought something for sure
   */
  look(seq: number, author: string, decoded: DecodedUpdateEvent): boolean
  /** Reports. */
  finish(): Promise<void>
}

/** Something new under a client id of somebody else, or of nobody. */
interface Suspect {
  readonly seq: number
  readonly author: string
  readonly clientId: number
  readonly endClock: number
}

/**
 * Whoever may write may repeat what the document holds, so only what goes beyond the document is suspect. What
 * an event repeats may have left the log since, with a later checkpoint that contains it; and a checkpoint may
 * have taken the place of what it repeats. Those prove nothing. Source: SPEC YID1–YID3.
 */
export function createWriterCheck(check: Findings, address: string, before: Y.Doc): WriterCheck {
  const writers = new Map<number, string | undefined>()
  let suspects: Suspect[] = []

  function lookAtChat(seq: number, author: string, decoded: DecodedUpdateEvent): boolean {
    const { framed, clientIds, part } = decoded
    const others = clientIds.filter((clientId) => writers.get(clientId) !== author)
    if (framed.checkpoint) {
      if (suspects.length > 0) {
        const ends = endClocks(framed.update)
        suspects = suspects.filter(({ clientId, endClock }) => (ends.get(clientId) ?? 0) < endClock)
      }
      return false
    }
    if (others.length > 0) {
      for (const [clientId, endClock] of endClocks(framed.update)) {
        if (!others.includes(clientId) || endClock <= Y.getState(before.store, clientId)) continue
        suspects.push({ seq, author, clientId, endClock })
      }
    }
    // An edit in parts is judged as a whole: the news may be in another part.
    return part === undefined && others.every((clientId) => writers.get(clientId) === undefined)
  }

  return {
    async learn(clientIds) {
      const unknown = [...new Set(clientIds)].filter((clientId) => !writers.has(clientId))
      if (unknown.length === 0) return
      const clients = unknown.map((clientId) => ({ address, clientId }))
      for (const [index, pubkey] of (await check.log.writers(clients)).entries()) {
        writers.set(unknown[index] as number, pubkey)
      }
    },
    look(seq, author, decoded) {
      // Settings have one author.
      return decoded.address.kind === KIND.chat
        ? lookAtChat(seq, author, decoded)
        : !decoded.framed.checkpoint
    },
    async finish() {
      for (const { seq, author, clientId } of suspects) {
        const owner = writers.get(clientId)
        const whose = owner === undefined ? 'nobody' : `the key ${owner}`
        const message = `the key ${author} writes under the client id ${clientId}, which belongs to ${whose}`
        await check.note({ kind: 'writer', seq, address, message })
      }
    },
  }
}

/** Where the structs of each client end. */
function endClocks(update: Uint8Array): Map<number, number> {
  const ends = new Map<number, number>()
  for (const struct of Y.decodeUpdate(update).structs) {
    if (struct instanceof Y.Skip) continue
    const { client, clock } = struct.id
    ends.set(client, Math.max(ends.get(client) ?? 0, clock + struct.length))
  }
  return ends
}

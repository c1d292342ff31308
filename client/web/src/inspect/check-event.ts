import {
  DEFAULT_LIMITS,
  type DecodedUpdateEvent,
  decodeUpdateEvent,
  formatAddress,
  isDocumentKind,
  type NostrEvent,
  parseEvent,
  SyncError,
  stringifyEvent,
} from '@onyx-sync/shared'
import * as Y from 'yjs'
import { fastVerifier } from '../device/fast-verifier.js'

/** What of an event's Yjs update can be told without applying it. */
export interface UpdateContent {
  readonly isCheckpoint: boolean
  readonly encoding: string
  /** The update itself, unpacked. */
  readonly bytes: number
  /** Pieces that it brings. */
  readonly structs: number
  /** Characters and other pieces that it deletes. */
  readonly deletions: number
  /** What it brings by Yjs client id: clocks from, and up to but not including. */
  readonly clocks: readonly { readonly client: number; readonly from: number; readonly to: number }[]
  /** As in "part 2 of 3"; undefined for an edit in one event. */
  readonly part: string | undefined
}

/** An event as it was checked in this page. */
export interface CheckedEvent {
  /** Undefined for what isn't even the shape of an event. */
  readonly event: NostrEvent | undefined
  /** `valid`: its id is that of its content, and its author signed it. */
  readonly verdict: 'valid' | 'wrong-id' | 'wrong-signature' | 'malformed'
  /** Why it isn't valid, or what its content lacks; empty where all is well. */
  readonly problem: string
  /** Of the event as JSON, UTF-8. */
  readonly bytes: number
  /** The document it is of; undefined where it is none's. */
  readonly address: string | undefined
  /** Undefined where the event isn't valid: what nobody signed isn't read. */
  readonly content: UpdateContent | undefined
}

/** What each verdict says to a person. */
export const VERDICT_WORDS: Readonly<Record<CheckedEvent['verdict'], string>> = {
  valid: 'Valid',
  'wrong-id': 'Invalid: the id is not that of the content',
  'wrong-signature': 'Invalid: not signed by its author',
  malformed: 'Invalid: not an event',
}

/** Checks id and signature of what a server sent, and takes it apart where both hold. Throws nothing. */
export function checkEvent(value: unknown): CheckedEvent {
  let event: NostrEvent
  try {
    event = parseEvent(value, DEFAULT_LIMITS)
  } catch (error) {
    return {
      event: undefined,
      verdict: 'malformed',
      problem: messageOf(error),
      bytes: sizeOf(JSON.stringify(value) ?? ''),
      address: undefined,
      content: undefined,
    }
  }
  const bytes = sizeOf(stringifyEvent(event))
  try {
    fastVerifier.verify(event)
  } catch (error) {
    const isWrongId = error instanceof SyncError && error.code === 'EVENT_ID_MISMATCH'
    const verdict = isWrongId ? 'wrong-id' : 'wrong-signature'
    return { event, verdict, problem: messageOf(error), bytes, address: undefined, content: undefined }
  }
  const checked = { event, verdict: 'valid', bytes } as const
  if (!isDocumentKind(event.kind)) return { ...checked, problem: '', address: undefined, content: undefined }
  try {
    const decoded = decodeUpdateEvent(event, DEFAULT_LIMITS)
    return { ...checked, problem: '', address: formatAddress(decoded.address), content: contentOf(decoded) }
  } catch (error) {
    return { ...checked, problem: messageOf(error), address: undefined, content: undefined }
  }
}

function contentOf({ framed, encoding, part }: DecodedUpdateEvent): UpdateContent {
  const { structs, ds } = Y.decodeUpdate(framed.update)
  const brought = structs.filter((struct) => !(struct instanceof Y.Skip))
  const clocks = new Map<number, { client: number; from: number; to: number }>()
  for (const { id, length } of brought) {
    const { client, clock } = id
    const known = clocks.get(client)
    clocks.set(client, { client, from: known?.from ?? clock, to: clock + length })
  }
  const deletions = [...ds.clients.values()].flat().reduce((sum, { len }) => sum + len, 0)
  return {
    isCheckpoint: framed.checkpoint,
    encoding: encoding === 'yjs' ? 'Yjs' : 'Yjs, deflated',
    bytes: framed.update.byteLength,
    structs: brought.length,
    deletions,
    clocks: [...clocks.values()],
    part: part && `${part.index + 1} of ${part.count}`,
  }
}

function sizeOf(text: string): number {
  return new TextEncoder().encode(text).byteLength
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

import { ERROR_CODES, SyncError, type SyncErrorCode, toSyncError } from '@onyx-sync/shared'
import type { SyncStatus } from '../client-api.js'
import type { KnownDocument } from '../core/model-documents.js'
import type { EditState, PositionRange, RefusedEntry, RefusedExport } from '../core/outbox-queries.js'
import type { PresenceState } from '../core/presence-room.js'
import type { QueryRow } from '../ports/store.js'
import {
  type Check,
  isAnything,
  isBytes,
  isCount,
  isFlag,
  isListOf,
  isNullOr,
  isNumber,
  isOneOf,
  isRecord,
  isRecordOf,
  isShape,
  isText,
  isTuple,
} from './shapes.js'

/**
 * Version of what tabs say to each other. It goes up with every change of it: tabs of different versions of an app may be
 * open at the same time, and have to notice.
 */
export const TAB_PROTOCOL = 2

/** The lock of the tab that has the database, and what the lock of each tab begins with. */
export const LEADER_LOCK = 'leader'
export const TAB_LOCK = 'tab '

/** What a tab says to the one that leads. */
export type ToHost =
  /** Asks who leads. */
  | { readonly type: 'hello' }
  /** Joins the leader of a term: whose tab it is, whether it was connecting, and which messages it is writing. */
  | {
      readonly type: 'attach'
      readonly term: string
      readonly pubkey: string
      readonly connects: boolean
      readonly streams: readonly string[]
    }
  /** Asks for something. Numbers go up, and a call that is repeated to the next leader keeps its own. */
  | {
      readonly type: 'call'
      readonly term: string
      readonly id: number
      readonly method: string
      readonly args: readonly unknown[]
    }
  /** The tab goes. */
  | { readonly type: 'bye' }

/** What the leader says. */
export type ToTab =
  /**
   * A tab leads, in a term of its own. Terms are counted in the database, so that what a tab said that has gone by now is
   * told from what the one after it says, in whatever order the two arrive.
   */
  | { readonly type: 'lead'; readonly term: string; readonly count: number }
  /** The tab is joined, and this is how everything stands. */
  | { readonly type: 'attached'; readonly term: string; readonly push: Push }
  | { readonly type: 'refused'; readonly term: string; readonly error: WireError }
  | {
      readonly type: 'answer'
      readonly term: string
      readonly id: number
      readonly value: unknown
      readonly error: WireError | null
    }
  | { readonly type: 'push'; readonly term: string; readonly push: Push }
  /** The account was logged out: no tab has anything to do any more. */
  | { readonly type: 'over'; readonly term: string }

/** A message as it travels. */
export type Envelope<T> = T & {
  readonly onyx: number
  readonly from: string
  /** The tab it is for; `null` for all. */
  readonly to: string | null
}

export interface WireError {
  readonly code: SyncErrorCode
  readonly message: string
}

/** What of a lane of the outbox isn't saved; see `UnsettledLane`. */
export interface LaneState {
  readonly lane: string
  readonly lastEdit: number
  readonly state: EditState
  readonly ranges: readonly PositionRange[]
}

/** What a commit did to the query tables, as far as views want to know. */
export interface PushedRows {
  readonly chats: readonly (readonly [string, QueryRow | null])[]
  /** What ids of messages that changed begin with: `<address>/`, or all of an id. */
  readonly messages: readonly string[]
  readonly evicted: readonly string[]
  readonly settings: boolean
  readonly training: boolean
}

/** Calls of a tab that the tab that leads has taken in, and not answered. */
export interface SeenCalls {
  /** Numbers of edits that the status counts. */
  readonly edits: readonly number[]
  /** Number of the last call that changed what only this device knows. */
  readonly local: number
}

/** What has changed: every part may be left out. All of it is taken in before anybody hears of it. */
export interface Push {
  readonly status?: SyncStatus
  /** Whether the device is to be connected. */
  readonly connects?: boolean
  readonly deviceId?: string
  readonly documents?: readonly KnownDocument[]
  /** Address, how many messages were read, draft. */
  readonly locals?: readonly (readonly [string, number | null, string])[]
  readonly lanes?: readonly LaneState[]
  /** Lanes with edits that are not on the disk yet. */
  readonly unwritten?: readonly string[]
  readonly refused?: readonly RefusedEntry[]
  readonly exported?: readonly RefusedExport[]
  /** What of each tab's calls that it has no answer to is in all this already. */
  readonly seen?: Readonly<Record<string, SeenCalls>>
  readonly rows?: PushedRows
  /** Updates of a document that are durable, each with the tab that made it, or '' for none. */
  readonly updates?: { readonly address: string; readonly list: readonly (readonly [string, Uint8Array])[] }
  readonly presence?: {
    readonly address: string
    readonly clientId: number
    readonly states: readonly PresenceState[]
  }
}

const isCode = (value: unknown): value is SyncErrorCode => isText(value) && Object.hasOwn(ERROR_CODES, value)
const isEditState = isOneOf('local', 'sent', 'saved', 'refused')
const isProblem = isShape<{ code: SyncErrorCode; message: string }>({ code: isCode, message: isText })
const isWireError: Check<WireError> = isProblem
const isRow = isRecordOf(
  (value): value is string | number | boolean | null =>
    value === null || ['string', 'number', 'boolean'].includes(typeof value),
) as Check<QueryRow>

function isMaybe<T>(check: Check<T>): Check<T | undefined> {
  return (value): value is T | undefined => value === undefined || check(value)
}

const isStatus: Check<SyncStatus> = isShape<SyncStatus>({
  connection: isText as Check<SyncStatus['connection']>,
  unsent: isNumber,
  refused: isNumber,
  isCaughtUp: isFlag,
  problem: isMaybe(isProblem),
  retryAtMs: isMaybe(isNumber),
  mode: isMaybe(isText) as Check<SyncStatus['mode']>,
  cursor: isText,
  documents: isNumber,
  progress: isMaybe(isShape<{ done: number; total: number }>({ done: isNumber, total: isNumber })),
  setAside: isNumber,
})

const isPush: Check<Push> = isShape<Required<Push>>({
  status: isMaybe(isStatus) as Check<SyncStatus>,
  connects: isMaybe(isFlag) as Check<boolean>,
  deviceId: isMaybe(isText) as Check<string>,
  documents: isMaybe(
    isListOf(
      isShape<KnownDocument>({
        address: isText,
        members: isMembers,
        body: isText as Check<KnownDocument['body']>,
      }),
    ),
  ) as Check<readonly KnownDocument[]>,
  locals: isMaybe(
    isListOf(isTuple<[string, number | null, string]>(isText, isNullOr(isCount), isText)),
  ) as Check<Required<Push>['locals']>,
  lanes: isMaybe(
    isListOf(
      isShape<LaneState>({
        lane: isText,
        lastEdit: isCount,
        state: isEditState,
        ranges: isListOf(isTuple<[number, number, EditState]>(isCount, isCount, isEditState)),
      }),
    ),
  ) as Check<readonly LaneState[]>,
  unwritten: isMaybe(isListOf(isText)) as Check<readonly string[]>,
  refused: isMaybe(
    isListOf(isShape<RefusedEntry>({ id: isText, lane: isText, edits: isCount, reason: isText })),
  ) as Check<readonly RefusedEntry[]>,
  exported: isMaybe(
    isListOf(isShape<RefusedExport>({ lane: isText, reason: isText, event: isText })),
  ) as Check<readonly RefusedExport[]>,
  seen: isMaybe(isRecordOf(isShape<SeenCalls>({ edits: isListOf(isCount), local: isCount }))) as Check<
    Readonly<Record<string, SeenCalls>>
  >,
  rows: isMaybe(
    isShape<PushedRows>({
      chats: isListOf(isTuple<[string, QueryRow | null]>(isText, isNullOr(isRow))),
      messages: isListOf(isText),
      evicted: isListOf(isText),
      settings: isFlag,
      training: isFlag,
    }),
  ) as Check<PushedRows>,
  updates: isMaybe(
    isShape<{ address: string; list: readonly (readonly [string, Uint8Array])[] }>({
      address: isText,
      list: isListOf(isTuple<[string, Uint8Array]>(isText, isBytes)),
    }),
  ) as Check<Required<Push>['updates']>,
  presence: isMaybe(
    isShape<Required<Push>['presence']>({
      address: isText,
      clientId: isCount,
      states: isListOf(
        isShape<PresenceState>({ clientId: isCount, pubkey: isText, state: isRecord, isLocal: isFlag }),
      ),
    }),
  ) as Check<Required<Push>['presence']>,
}) as Check<Push>

function isMembers(value: unknown): value is KnownDocument['members'] {
  return isListOf(
    isShape<{ pubkey: string; role: string }>({ pubkey: isText, role: isOneOf('read', 'write') }),
  )(value)
}

const toHost: Readonly<Record<string, Check<ToHost>>> = {
  hello: isAnything as Check<ToHost>,
  bye: isAnything as Check<ToHost>,
  attach: isShape({
    term: isText,
    pubkey: isText,
    connects: isFlag,
    streams: isListOf(isText),
  }) as Check<ToHost>,
  call: isShape({ term: isText, id: isCount, method: isText, args: isListOf(isAnything) }) as Check<ToHost>,
}

const toTab: Readonly<Record<string, Check<ToTab>>> = {
  lead: isShape({ term: isText, count: isCount }) as Check<ToTab>,
  attached: isShape({ term: isText, push: isPush }) as Check<ToTab>,
  refused: isShape({ term: isText, error: isWireError }) as Check<ToTab>,
  answer: isShape({
    term: isText,
    id: isCount,
    value: isAnything,
    error: isNullOr(isWireError),
  }) as Check<ToTab>,
  push: isShape({ term: isText, push: isPush }) as Check<ToTab>,
  over: isShape({ term: isText }) as Check<ToTab>,
}

const isEnvelope = isShape<Envelope<{ type: string }>>({
  onyx: isCount,
  from: isText,
  to: isNullOr(isText),
  type: isText,
})

/** A message of another tab, if it is one for a host; of another version only that it is one. */
export function readForHost(message: unknown): Envelope<ToHost> | 'other version' | undefined {
  return read(message, toHost)
}

/** A message of the tab that leads, if it is one. */
export function readForTab(message: unknown): Envelope<ToTab> | 'other version' | undefined {
  return read(message, toTab)
}

function read<T>(
  message: unknown,
  checks: Readonly<Record<string, Check<T>>>,
): Envelope<T> | 'other version' | undefined {
  if (!isEnvelope(message) || !Object.hasOwn(checks, message.type)) return undefined
  if (message.onyx !== TAB_PROTOCOL) return 'other version'
  return checks[message.type]?.(message) ? (message as unknown as Envelope<T>) : undefined
}

export function toWireError(error: unknown): WireError {
  const { code, message } = toSyncError(error)
  return { code, message }
}

export function fromWireError({ code, message }: WireError): SyncError {
  return new SyncError(code, message)
}

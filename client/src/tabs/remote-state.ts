import { type Clock, SyncError } from '@onyx-sync/shared'
import type { SyncStatus } from '../client-api.js'
import { createStatusBoard, type StatusBoard } from '../client-status.js'
import type { CommittedRows } from '../core/journal.js'
import type { KnownDocument } from '../core/model-documents.js'
import type { EditState, RefusedEntry, RefusedExport } from '../core/outbox-queries.js'
import type { QueryRow, QueryTable } from '../ports/store.js'
import type { UnkeptCall } from './link.js'
import type { LaneState, Push, SeenCalls } from './protocol.js'

/** How the device stands, as the tab that leads said last, and with what that tab can't know yet. */
export interface RemoteState {
  readonly status: StatusBoard
  readonly deviceId: string
  /** Number of this tab's last call about what only this device knows that the tab that leads has taken in. */
  readonly seenLocal: number
  /** Whether the device is to be connected, as far as is known. */
  readonly connects: boolean
  readonly refused: readonly RefusedEntry[]
  readonly exported: readonly RefusedExport[]
  documents(): readonly KnownDocument[]
  document(address: string): KnownDocument | undefined
  /** As `SyncClient.stateOf`. */
  stateOf(address: string, seq?: number): EditState
  lastEdit(address: string): number
  /** Documents with edits that are on this device only. */
  unsaved(): readonly string[]
  /** Takes in what the tab that leads said. @returns what it did to the query tables */
  take(push: Push): CommittedRows | undefined
  /** What is in the way in this tab alone; undefined where nothing is. */
  setProblem(error: SyncError | undefined): void
  setConnects(isOn: boolean): void
}

/** Calls that are edits, of which a user is told that they are unsent. */
const EDITS: readonly string[] = ['edit', 'decide']

/** What a tab that leads needn't be told. */
export interface StateHere {
  readonly status: SyncStatus
  readonly unwritten: readonly string[]
  readonly seen: SeenCalls
}

/** `here` gives how things are, where they are in this tab. */
export function createRemoteState(
  clock: Clock,
  unkept: () => readonly UnkeptCall[],
  me: string,
  here: () => StateHere | undefined,
): RemoteState {
  const documents = new Map<string, KnownDocument>()
  const lanes = new Map<string, LaneState>()
  let status: SyncStatus | undefined
  let deviceId = ''
  let connects = false
  let refused: readonly RefusedEntry[] = []
  let exported: readonly RefusedExport[] = []
  let unwritten: readonly string[] = []
  let seen: SeenCalls = { edits: [], local: 0 }
  let problem: SyncError | undefined

  const own = () => unkept().filter(({ method }) => EDITS.includes(method))

  const board = createStatusBoard(clock, () => {
    const now = here()
    status = now?.status ?? status
    seen = now?.seen ?? seen
    if (status === undefined) throw new SyncError('INTERNAL', 'no tab has said how the device stands')
    const uncounted = own().filter(({ id }) => !seen.edits.includes(id)).length
    return {
      ...status,
      unsent: status.unsent + uncounted,
      problem: problem === undefined ? status.problem : { code: problem.code, message: problem.message },
    }
  })

  function isUnwritten(address: string): boolean {
    return (here()?.unwritten ?? unwritten).includes(address) || own().some(({ args }) => args[0] === address)
  }

  return {
    status: board,
    get deviceId() {
      return deviceId
    },
    get seenLocal() {
      return seen.local
    },
    get connects() {
      return connects
    },
    get refused() {
      return refused
    },
    get exported() {
      return exported
    },
    documents: () => [...documents.values()],
    document: (address) => documents.get(address),

    stateOf(address, seq) {
      const lane = lanes.get(address)
      if (seq === undefined) {
        const state = lane?.state ?? 'saved'
        return state !== 'refused' && isUnwritten(address) ? 'local' : state
      }
      const states = (lane?.ranges ?? [])
        .filter(([first, last]) => first <= seq && seq <= last)
        .map(([, , state]) => state)
      const order: readonly EditState[] = ['refused', 'local', 'sent']
      return order.find((state) => states.includes(state)) ?? 'saved'
    },
    lastEdit: (address) => lanes.get(address)?.lastEdit ?? 0,
    unsaved() {
      const unsettled = [...lanes.values()].filter(({ ranges }) => ranges.length > 0).map(({ lane }) => lane)
      return [
        ...new Set([
          ...unsettled,
          ...(here()?.unwritten ?? unwritten),
          ...own().map(({ args }) => String(args[0])),
        ]),
      ]
    },

    take(push) {
      status = push.status ?? status
      deviceId = push.deviceId ?? deviceId
      connects = push.connects ?? connects
      refused = push.refused ?? refused
      exported = push.exported ?? exported
      unwritten = push.unwritten ?? unwritten
      if (push.seen !== undefined) seen = push.seen[me] ?? { edits: [], local: 0 }
      // Everything anew: what another leader said counts no more.
      if (push.deviceId !== undefined) {
        lanes.clear()
        documents.clear()
      }
      for (const lane of push.lanes ?? []) lanes.set(lane.lane, lane)
      for (const document of push.documents ?? []) documents.set(document.address, document)
      board.changed()
      return push.rows === undefined ? undefined : toCommittedRows(push)
    },
    setProblem(error) {
      problem = error
      board.changed()
    },
    setConnects(isOn) {
      connects = isOn
    },
  }
}

/** A commit as views of this process would hear of it. */
function toCommittedRows({ rows, documents = [] }: Push): CommittedRows {
  const tables = new Map<QueryTable, Map<string, QueryRow | null>>()
  const add = (table: QueryTable, changed: readonly (readonly [string, QueryRow | null])[]) => {
    if (changed.length > 0) tables.set(table, new Map(changed))
  }
  add('chats', rows?.chats ?? [])
  add(
    'messages',
    (rows?.messages ?? []).map((id) => [id, null]),
  )
  // Who shows these reads them anew.
  if (rows?.settings) add('settings', [['', null]])
  if (rows?.training) add('training', [['', null]])
  const addresses = documents.map(({ address }) => address)
  return { tables, evicted: new Set(rows?.evicted), documents: new Set(addresses) }
}

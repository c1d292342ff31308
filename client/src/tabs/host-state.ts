import type { CommittedRows } from '../core/journal.js'
import type { KnownDocument } from '../core/model-documents.js'
import type { Device } from '../device-api.js'
import type { LaneState, Push, PushedRows, SeenCalls } from './protocol.js'

/** How the device stands, as tabs are told of it: everything once, then what changes. */
export interface HostState {
  /** Everything, for a tab that joins. */
  whole(): Push
  /** Tells all tabs what has changed since they were told last. To be called before anything is answered. */
  tell(): void
  stop(): void
}

export interface HostStateParts {
  readonly device: Device
  /** Whether the device is to be connected. */
  connects(): boolean
  /** By tab which of its calls are in all this already. */
  seen(): Readonly<Record<string, SeenCalls>>
  post(push: Push): void
}

export function createHostState({ device, connects, seen, post }: HostStateParts): HostState {
  const { status, outbox, documents, local, feed } = device
  /** What was told last, by part and, for lanes, by name: as JSON. */
  const told = new Map<string, string>()
  /** Lanes of which it was told that nothing is left in them, with their last edit then. */
  const toldEmpty = new Map<string, number>()
  let isDue = false

  function toKnown(address: string): KnownDocument[] {
    const info = documents.info(address)
    return info === undefined ? [] : [{ address, members: info.members, body: info.body }]
  }

  function lanes(): LaneState[] {
    return outbox.unsettled().map((lane) => ({ ...lane, state: outbox.stateOf(lane.lane) }))
  }

  /** Most lanes have nothing to send, now as before: they are not looked at any closer. */
  function changedLanes(): LaneState[] {
    return outbox
      .unsettled()
      .filter(({ lane, lastEdit, ranges }) => ranges.length > 0 || toldEmpty.get(lane) !== lastEdit)
      .map((lane) => ({ ...lane, state: outbox.stateOf(lane.lane) }))
      .filter((lane) => {
        if (lane.ranges.length === 0) toldEmpty.set(lane.lane, lane.lastEdit)
        else toldEmpty.delete(lane.lane)
        return isNews(`lane ${lane.lane}`, lane)
      })
  }

  function toLocal(address: string): readonly [string, number | null, string] {
    return [address, local.readCount(address) ?? null, local.draft(address)]
  }

  function now(): Push {
    const hasRefused = status.read().refused > 0
    return {
      status: status.read(),
      connects: connects(),
      unwritten: [...new Set(documents.journal.unwrittenLanes())],
      refused: hasRefused ? outbox.refused() : [],
      seen: seen(),
    }
  }

  /** Notes a part as told. @returns whether it differs from what was told before */
  function isNews(part: string, value: unknown): boolean {
    const text = JSON.stringify(value)
    if (told.get(part) === text) return false
    told.set(part, text)
    return true
  }

  function changes(): Push {
    const changed = Object.entries(now()).filter(([part, value]) => isNews(part, value))
    const news = changedLanes()
    const push = Object.fromEntries(changed) as Push
    return {
      ...push,
      // What may be large goes only when the list of it has changed.
      ...(push.refused === undefined
        ? {}
        : { exported: push.refused.length > 0 ? outbox.exportRefused() : [] }),
      ...(news.length === 0 ? {} : { lanes: news }),
    }
  }

  function tell(more: Push = {}): void {
    isDue = false
    const push = { ...changes(), ...more }
    if (Object.keys(push).length > 0) post(push)
  }

  function committed(rows: CommittedRows): void {
    const pushed = toPushedRows(rows)
    tell({
      ...(rows.documents.size === 0 ? {} : { documents: [...rows.documents].flatMap(toKnown) }),
      ...(pushed === undefined ? {} : { rows: pushed }),
    })
  }

  function tellSoon(): void {
    if (isDue) return
    isDue = true
    queueMicrotask(() => isDue && tell())
  }

  const endings = [
    status.listen(tellSoon),
    feed.onCommit(committed),
    local.onChange((address) => tell({ locals: [toLocal(address)] })),
  ]

  return {
    tell: () => tell(),
    whole() {
      // Others are told first, so that what is told from here on fits all.
      tell()
      return {
        ...now(),
        deviceId: device.deviceId,
        lanes: lanes(),
        exported: outbox.exportRefused(),
        documents: documents.list().map(({ address, members, body }) => ({ address, members, body })),
        locals: local.known().map(toLocal),
      }
    },
    stop() {
      for (const end of endings) end()
    },
  }
}

/** What views want to know of a commit; undefined where it did nothing to the query tables. */
function toPushedRows({ tables, evicted }: CommittedRows): PushedRows | undefined {
  if (tables.size + evicted.size === 0) return undefined
  const messages = new Set<string>()
  // Ids of chats and messages may hold a slash: of a row that is gone it isn't known which chat it was in.
  for (const [id, row] of tables.get('messages') ?? []) messages.add(row === null ? id : `${row.address}/`)
  return {
    chats: [...(tables.get('chats') ?? [])],
    messages: [...messages],
    evicted: [...evicted],
    settings: tables.has('settings'),
    training: tables.has('training'),
  }
}

import {
  type Clock,
  formatAddress,
  parseAddress,
  type Random,
  SyncError,
  systemClock,
  systemRandom,
} from '@onyx-sync/shared'
import type { SyncClient } from '../client-api.js'
import { describeUnsaved, onDeviceProblem, settled } from '../client-status.js'
import type { LoggedEdit } from '../core/document-log.js'
import { checkHoldChoice } from '../core/hold-choice.js'
import { createChats } from '../model/chats.js'
import type { LiveStreams } from '../model/live-streams.js'
import type { RowFeed } from '../model/row-feed.js'
import { createSettings } from '../model/settings.js'
import { createStreams } from '../model/stream.js'
import { laterRareCode } from '../rare-code-later.js'
import type { SharedClientOptions } from '../shared-client-api.js'
import type { TabLink } from './link.js'
import type { RemoteDocuments } from './remote-documents.js'
import type { RemoteLocalState } from './remote-local-state.js'
import type { RemotePresence } from './remote-presence.js'
import { createRemoteRows } from './remote-rows.js'
import type { RemoteState } from './remote-state.js'
import { createRemoteTraining } from './remote-training.js'
import { isBytes, isCount, isListOf, isRecord, isText, isTuple } from './shapes.js'

export interface TabClientParts {
  readonly options: SharedClientOptions
  readonly pubkey: string
  readonly link: TabLink
  readonly state: RemoteState
  readonly documents: RemoteDocuments
  readonly local: RemoteLocalState
  readonly presence: RemotePresence
  readonly live: LiveStreams
  readonly feed: RowFeed
  isClosed(): boolean
  /** Ends everything in this tab, after what it has is durable. */
  close(flush: () => Promise<void>): Promise<void>
}

/** What an app sees of the device in any tab: the model, on documents and tables that the tab that leads has. */
export function createTabClient(parts: TabClientParts): SyncClient {
  const { options, pubkey, link, state, documents, local, presence, live, feed } = parts
  const clock: Clock = options.clock ?? systemClock
  const random: Random = options.random ?? systemRandom
  const { status, deviceId } = state
  const store = createRemoteRows(link)
  const streams = createStreams({ deviceId, documents, store, clock, random, live })
  const settings = createSettings({ pubkey, documents, store, feed, random })
  const chats = createChats({
    ...{ pubkey, deviceId, documents, streams, store, feed, local, clock, random },
    async evict(address) {
      documents.letGo(address)
      await link.call('evict', [address])
    },
    async loadLog(address) {
      const edits = await link.call('log', [formatAddress(address)])
      if (!isListOf(isLoggedEdit)(edits))
        throw new SyncError('INTERNAL', 'the tab that leads gave no history')
      return edits
    },
    createHistory: laterRareCode.createHistory,
    async authorsOf(address, clientIds, mayAsk = true) {
      const pairs = await link.call('authors', [address, clientIds, mayAsk])
      return new Map(isListOf(isTuple<[number, string]>(isCount, isText))(pairs) ? pairs : [])
    },
    async deleteForever(address) {
      documents.letGo(address)
      await link.call('deleteForever', [address], 'kept')
    },
  })

  /** Everything made so far, what was only pushed into a stream included, is durable when it resolves. */
  function flush(): Promise<void> {
    streams.write()
    return documents.flush()
  }

  function requireUrl(): void {
    if (parts.isClosed()) throw new SyncError('CLIENT_CLOSED', 'this client is closed')
    if (options.url === undefined)
      throw new SyncError('VALUE_INVALID', 'this client has no url to connect to')
  }

  const tell = (method: string, ...args: readonly unknown[]) => void link.call(method, args).catch(() => {})

  /** Asks something that takes its time; false when `timeoutMs` is over first, whoever leads then. */
  function within(timeoutMs: number | undefined, method: string): Promise<boolean> {
    const untilMs = timeoutMs === undefined ? undefined : clock.now() + timeoutMs
    const asked = flush().then(
      async () => {
        const left = untilMs === undefined ? null : Math.max(0, untilMs - clock.now())
        return (await link.call(method, [left])) === true
      },
      // Where the disk refused it, it can't be said to be saved.
    )
    return new Promise((resolve) => {
      const timer = timeoutMs === undefined ? undefined : clock.setTimeout(() => resolve(false), timeoutMs)
      const end = (isDone: boolean) => {
        clock.clearTimeout(timer)
        resolve(isDone)
      }
      asked.then(end, () => end(false))
    })
  }

  const client: SyncClient = {
    pubkey,
    deviceId,
    chats,
    settings,
    training: createRemoteTraining({ link, chats, settings, store, feed }),
    async openDocument(address) {
      if (parseAddress(address) === undefined)
        throw new SyncError('VALUE_INVALID', `${JSON.stringify(address)} is no address of a document`)
      return documents.open(address)
    },
    import: laterRareCode.createImporter({ pubkey, documents, local }),
    rebuild: async () => Number(await link.call('rebuild', [])),
    presence(address) {
      if (parts.isClosed()) throw new SyncError('CLIENT_CLOSED', 'this client is closed')
      return presence.open(address)
    },
    get status() {
      return status.read()
    },
    onStatus: status.listen,
    connect() {
      requireUrl()
      state.setConnects(true)
      tell('connect', true)
    },
    disconnect() {
      state.setConnects(false)
      tell('connect', false)
    },
    wake: () => tell('wake'),
    synced({ timeoutMs } = {}) {
      requireUrl()
      return within(timeoutMs, 'synced')
    },
    async hold(choice) {
      await link.call('hold', [checkHoldChoice(choice)])
    },
    flush,
    lastEdit: (address) => ({ address, seq: state.lastEdit(address) }),
    stateOf: (edit) =>
      typeof edit === 'string' ? state.stateOf(edit) : state.stateOf(edit.address, edit.seq),
    saved: ({ timeoutMs } = {}) => within(timeoutMs, 'saved'),
    unsaved: () => describeUnsaved(status, () => [...state.unsaved()]),
    onProblem: (listener) => onDeviceProblem(status, listener),
    refused: () => [...state.refused],
    exportRefused: () => [...state.exported],
    retryRefused: () => tell('retryRefused'),
    async logOut({ discard = false } = {}) {
      // What the disk refuses shows as unsaved where it is.
      await settled(flush()).promise
      // Whoever leads ends all tabs, this one included, and answers nobody any more.
      await link.call('logOut', [discard]).catch((error) => {
        if (!parts.isClosed()) throw error
      })
      await client.close()
    },
    close: () => parts.close(flush),
  }
  return client
}

function isLoggedEdit(value: unknown): value is LoggedEdit {
  return isRecord(value) && isText(value.eventId) && isText(value.author) && isBytes(value.update)
}

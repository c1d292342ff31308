import { DEFAULT_LIMITS, isHex64, SyncError, systemClock, systemRandom, toSyncError } from '@onyx-sync/shared'
import { checkPlatform } from './adapters/platform-check.js'
import { createClientOf } from './client.js'
import type { SyncClient } from './client-api.js'
import { checkRandom, checkUrl } from './client-options.js'
import { openDevice } from './device.js'
import type { Device } from './device-api.js'
import { createId } from './model/ids.js'
import { createLiveStreams } from './model/live-streams.js'
import { createRowFeed } from './model/row-feed.js'
import { laterRareCode } from './rare-code-later.js'
import type { SharedClient, SharedClientOptions, TabRole } from './shared-client-api.js'
import { createTabBus } from './tabs/bus.js'
import { countTerm, createTabHost, type TabHost } from './tabs/host.js'
import { createTabLink } from './tabs/link.js'
import { LEADER_LOCK, TAB_LOCK } from './tabs/protocol.js'
import { createRemoteDocuments } from './tabs/remote-documents.js'
import { createRemoteLocalState } from './tabs/remote-local-state.js'
import { createRemotePresence } from './tabs/remote-presence.js'
import { createRemoteState } from './tabs/remote-state.js'
import { createTabClient } from './tabs/tab-client.js'

/** Before a tab that couldn't open the database tries again to lead. Milliseconds. */
const RETRY_MS = 1_000

/**
 * Opens a device that all tabs share: one of them has the database and the connection, the others work through it, and
 * when it goes, however it goes, another takes over. Resolves in whichever tab once one leads. Rejects with what opening
 * the database rejects with, `IDENTITY_MISMATCH`, or `TAB_OUTDATED` where a tab with another version of the app leads.
 */
export async function createSharedClient(options: SharedClientOptions): Promise<SharedClient> {
  const { tabs, signer, url, clock = systemClock, random = systemRandom, limits = DEFAULT_LIMITS } = options
  checkPlatform(undefined, { needsRandom: options.random === undefined })
  checkRandom(random)
  if (url !== undefined) checkUrl(url, options.allowInsecure)
  const pubkey = await signer.getPublicKey()
  if (!isHex64(pubkey))
    throw new SyncError('KEY_INVALID', 'the signer gave no public key of 64 lower-case hex characters')

  const me = createId(random)
  // Before anybody hears of this tab: when it is to be had, the tab is gone.
  const letGoOfTab = await tabs.lock(`${TAB_LOCK}${me}`)
  const bus = createTabBus(tabs, me)
  const feed = createRowFeed()
  const listeners = new Set<(role: TabRole) => void>()
  const waiting = new AbortController()
  let role: TabRole = 'follower'
  let device: Device | undefined
  /** Of the device: closed once, by whoever is the first to end it. */
  let own: SyncClient | undefined
  let host: TabHost | undefined
  let letGoOfLead: (() => void) | undefined
  let isOpen = false
  let isClosed = false
  let closing: Promise<void> | undefined
  let leading: Promise<void> | undefined

  const state = createRemoteState(
    clock,
    () => link.unkept(),
    me,
    () => (isClosed ? undefined : host?.look(me)),
  )
  const link = createTabLink({
    bus,
    pubkey,
    clock,
    isHere: () => letGoOfLead !== undefined,
    hello: () => ({ connects: state.connects, streams: live.ids() }),
    onPush(push) {
      const rows = state.take(push)
      if (push.locals !== undefined) local.take(push.locals)
      if (push.updates !== undefined) documents.take(push.updates.address, push.updates.list)
      if (push.presence !== undefined) presence.take(push.presence)
      if (rows !== undefined) feed.publish(rows)
    },
    onAttached() {
      documents.reopen()
      presence.reopen()
      // Views may have missed what the one before committed last.
      if (isOpen) feed.reset()
    },
    onProblem: state.setProblem,
    onSilent(error) {
      state.setProblem(error)
      if (!isOpen) options.onWaiting?.(error)
    },
    onChange: () => state.status.changed(),
    onOver() {
      state.setProblem(new SyncError('CLIENT_CLOSED', 'the account was logged out in another tab'))
      isClosed = true
      closing ??= end()
      // Nobody in this tab has asked for it, and may never look.
      closing.catch(() => {})
    },
  })
  const live = createLiveStreams(() => {
    link.call('streams', [live.ids()]).catch(() => {})
    documents.tidy()
  })
  const here = () => (host === undefined || isClosed ? undefined : device?.bodies)
  const isKept = (address: string) => live.ids().some((id) => id.startsWith(`${address}/`))
  const documents = createRemoteDocuments({ link, state, me, clock, random, here, isKept })
  const local = createRemoteLocalState(link, () => state.seenLocal)
  const presence = createRemotePresence(link, limits)

  function setRole(next: TabRole): void {
    role = next
    for (const listener of [...listeners]) listener(next)
  }

  async function openHere(): Promise<Device> {
    const store = await options.openStore()
    try {
      return await openDevice({ ...options, store, checking: 'before' }, laterRareCode, false)
    } catch (error) {
      await store.close().catch(() => {})
      throw error
    }
  }

  /** Waits for the lead, and takes it over. `failed` hears why it couldn't. */
  function lead(failed: (error: SyncError) => void): void {
    leading = tryToLead(failed)
  }

  async function tryToLead(failed: (error: SyncError) => void): Promise<void> {
    try {
      letGoOfLead = await tabs.lock(LEADER_LOCK, waiting.signal)
    } catch {
      // This tab has gone.
      return
    }
    if (isClosed) return letGoOfLead()
    try {
      device = await openHere()
      own = createClientOf(device, laterRareCode.createImporter)
      const count = await countTerm(device)
      // Whoever ends this tab waits for it to be open, and closes it.
      if (isClosed) return
      host = createTabHost({ device, client: own, bus, ports: tabs, term: createId(random), count })
      setRole('leader')
    } catch (thrown) {
      // Another tab may have more luck.
      if (!isClosed) {
        await own?.close().catch(() => {})
        own = undefined
        device = undefined
      }
      letGoOfLead()
      letGoOfLead = undefined
      if (isClosed) return
      failed(toSyncError(thrown, 'STORE_FAILED'))
      clock.setTimeout(() => lead(failed), RETRY_MS)
    }
  }

  /** Nothing of this tab is left when it resolves; where it led, another may. */
  async function end(): Promise<void> {
    isClosed = true
    waiting.abort()
    link.close()
    await host?.stop()
    documents.stop()
    await leading
    try {
      await own?.close()
    } finally {
      bus.close()
      letGoOfLead?.()
      letGoOfTab()
    }
  }

  try {
    await new Promise<void>((resolve, reject) => {
      lead((error) => {
        state.setProblem(error)
        if (!isOpen) reject(error)
      })
      link.start().then(resolve, reject)
    })
  } catch (error) {
    await end().catch(() => {})
    throw error
  }
  isOpen = true

  const client = createTabClient({
    ...{ options, pubkey, link, state, documents, local, presence, live, feed },
    isClosed: () => isClosed,
    close: (flush) => {
      closing ??= flush().finally(end)
      return closing
    },
  })
  return withRole(client, () => role, listeners)
}

/** The same client, with what part this tab has; `listeners` are to be told of a change. */
export function withRole(
  client: SyncClient,
  read: () => TabRole,
  listeners: Set<(role: TabRole) => void>,
): SharedClient {
  return Object.defineProperties(client as SharedClient, {
    role: { get: read, enumerable: true },
    onRole: {
      value(listener: (role: TabRole) => void) {
        listeners.add(listener)
        return () => listeners.delete(listener)
      },
      enumerable: true,
    },
  })
}

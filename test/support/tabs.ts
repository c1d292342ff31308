import type { SyncStore } from '@onyx-sync/client'
import { SyncError } from '@onyx-sync/shared'
import type { SeededRandom, World } from '@onyx-sync/testing'
import type { TabPorts } from '../../client/src/ports/tabs.js'
import { createSharedClient } from '../../client/src/shared-client.js'
import type { SharedClient, SharedClientOptions } from '../../client/src/shared-client-api.js'
import { createDeviceDisk, type DeviceDisk } from '../../testing/src/disks.js'
import { createQuickKey, quickVerifier } from '../../testing/src/quick-keys.js'
import { createOwnedClock } from '../../testing/src/virtual-clock.js'

/** Longest time that a message between tabs takes, and that a lock takes to be handed over. Milliseconds. */
const MAX_MESSAGE_MS = 12
const MAX_HAND_OVER_MS = 40
/** How long a database takes to be closed, while its log is moved into its file. Milliseconds. */
const CLOSE_MS = 100

/** One tab of the simulated browser. */
export interface SimulatedTab {
  readonly name: string
  readonly client: SharedClient
  readonly isAlive: boolean
  /** Ends in the middle of whatever it does: nothing more comes from it. */
  kill(): void
}

/** A browser profile: one disk, and tabs that find each other on it. */
export interface SimulatedBrowser {
  readonly disk: DeviceDisk
  readonly tabs: readonly SimulatedTab[]
  /** How many times the database was opened. */
  readonly openings: number
  /** Openings of the database while another tab had it open: there must be none. */
  readonly faults: readonly string[]
  /** Tabs of which nothing reaches any other: as if they were gone before they said it. */
  readonly muted: Set<string>
  /** Has a tab hang: it neither says nor hears anything, and keeps its locks and the database. @returns lets it go on */
  hang(name: string): () => void
  /** What is posted between tabs, as it is delivered. */
  onPosted: ((from: string, message: unknown) => void) | undefined
  open(name: string, options?: Partial<SharedClientOptions>): Promise<SimulatedTab>
  /** Ports of something that is no tab of ours, to post what it likes. */
  ports(name: string): TabPorts
}

interface Waiting {
  readonly tab: string
  grant(): void
}

export function createBrowser(
  world: Pick<World, 'clock' | 'network'>,
  random: SeededRandom,
  account: string,
  options: Partial<SharedClientOptions> = {},
): SimulatedBrowser {
  const { clock, network } = world
  const disk = createDeviceDisk(clock, random.fork('disk'))
  const alive = new Set<string>()
  const channels = new Map<string, (message: unknown) => void>()
  const locks = new Map<string, { holder: string | undefined; readonly queue: Waiting[] }>()
  const delays = random.fork('delays')
  const arrivals = new Map<string, number>()
  const tabs: SimulatedTab[] = []
  const faults: string[] = []
  const muted = new Set<string>()
  const hung = new Set<string>()
  let held: { readonly from: string; readonly to: string; readonly message: unknown }[] = []
  let openIn: string | undefined
  let openings = 0

  function deliver(from: string, to: string, message: unknown): void {
    // In order between two tabs, each with a delay of its own.
    const key = `${from} ${to}`
    const atMs = Math.max(arrivals.get(key) ?? 0, clock.now() + delays.below(MAX_MESSAGE_MS + 1))
    arrivals.set(key, atMs)
    clock.setTimeout(() => {
      if (hung.has(from) || hung.has(to)) held.push({ from, to, message })
      // What a tab has handed over arrives, though it is gone.
      else if (alive.has(to)) channels.get(to)?.(message)
    }, atMs - clock.now())
  }

  function next(name: string): void {
    const lock = locks.get(name)
    if (lock === undefined || lock.holder !== undefined) return
    const waiting = lock.queue.shift()
    if (waiting === undefined) return
    lock.holder = waiting.tab
    waiting.grant()
  }

  function release(name: string, tab: string): void {
    const lock = locks.get(name)
    if (lock?.holder !== tab) return
    lock.holder = undefined
    clock.setTimeout(() => next(name), delays.below(MAX_HAND_OVER_MS + 1))
  }

  function ports(tab: string): TabPorts {
    alive.add(tab)
    return {
      join(onMessage) {
        channels.set(tab, onMessage)
        return {
          post(message) {
            if (!alive.has(tab) || muted.has(tab)) return
            browser.onPosted?.(tab, message)
            for (const other of channels.keys())
              if (other !== tab) deliver(tab, other, structuredClone(message))
          },
          close: () => channels.delete(tab),
        }
      },
      lock: (name, signal) =>
        new Promise((resolve, reject) => {
          const lock = locks.get(name) ?? { holder: undefined, queue: [] }
          locks.set(name, lock)
          const waiting: Waiting = {
            tab,
            grant: () => resolve(() => alive.has(tab) && release(name, tab)),
          }
          lock.queue.push(waiting)
          signal?.addEventListener('abort', () => {
            const at = lock.queue.indexOf(waiting)
            if (at < 0) return
            lock.queue.splice(at, 1)
            reject(new Error('aborted'))
          })
          next(name)
        }),
      held: async () => [...locks].filter(([, { holder }]) => holder !== undefined).map(([name]) => name),
    }
  }

  async function openStore(tab: string): Promise<SyncStore> {
    if (openIn !== undefined) {
      faults.push(`${tab} opens the database while ${openIn} has it`)
      throw new SyncError('DATABASE_LOCKED', 'the database is open already')
    }
    openIn = tab
    openings++
    const store = disk.open()
    let isClosed = false
    return {
      ...store,
      async commit(batch) {
        if (isClosed) throw new SyncError('STORE_FAILED', 'the store is closed')
        await store.commit(batch)
      },
      async close() {
        isClosed = true
        await new Promise<void>((resolve) => clock.setTimeout(resolve, CLOSE_MS))
        await store.close()
        if (openIn === tab) openIn = undefined
      },
    }
  }

  function kill(name: string): void {
    if (!alive.delete(name)) return
    channels.delete(name)
    if (openIn === name) {
      openIn = undefined
      disk.crash()
    }
    network.deviceGone(`tab ${name}`)
    for (const [lockName, lock] of locks) {
      const queue = lock.queue.splice(0).filter(({ tab }) => tab !== name)
      lock.queue.push(...queue)
      release(lockName, name)
    }
  }

  const browser: SimulatedBrowser = {
    disk,
    tabs,
    faults,
    muted,
    onPosted: undefined,
    hang(name) {
      hung.add(name)
      return () => {
        hung.delete(name)
        const waiting = held
        held = []
        for (const { from, to, message } of waiting) deliver(from, to, message)
      }
    },
    get openings() {
      return openings
    },
    ports,
    async open(name, more = {}) {
      const isAlive = () => alive.has(name)
      const tabPorts = ports(name)
      const client = await createSharedClient({
        url: 'ws://server.test/sync',
        allowInsecure: true,
        signer: createQuickKey(account).signer,
        verifier: quickVerifier,
        transport: network.transportOf(`tab ${name}`),
        clock: createOwnedClock(clock, () => 0, isAlive),
        random: random.fork(`tab ${name}`),
        ...options,
        ...more,
        tabs: tabPorts,
        openStore: () => openStore(name),
      })
      const tab: SimulatedTab = {
        name,
        client,
        get isAlive() {
          return isAlive()
        },
        kill: () => kill(name),
      }
      tabs.push(tab)
      return tab
    },
  }
  return browser
}

import {
  createSyncClient,
  type HoldChoice,
  type SyncClient,
  type SyncClientOptions,
  type SyncStatus,
  type SyncStore,
  type Transport,
} from '@onyx-sync/client'
import {
  createHub,
  createLocalMerger,
  createRelay,
  type EventLog,
  type Hub,
  type Merger,
  type Relay,
  type RelayVerifier,
} from '@onyx-sync/server'
import { DEFAULT_LIMITS, type EventVerifier, type Limits, type Signer, silentLogger } from '@onyx-sync/shared'
import type * as Y from 'yjs'
import { createApartMerger } from './apart-merger.js'
import { createDelay, NO_DELAY } from './delay.js'
import type { DeviceSettings } from './device-settings.js'
import { createDeviceDisk, createServerDisk, type DeviceDisk, type ServerDisk } from './disks.js'
import type { Scenario } from './history.js'
import { type Accept, createNetwork, type Network } from './network.js'
import { createPlainRelay } from './plain-relay.js'
import { createQuickKey, type QuickKey, quickVerifier } from './quick-keys.js'
import { createSeededRandom, type SeededRandom } from './seeded-random.js'
import { tamperWithState } from './tamper.js'
import { createOwnedClock, createVirtualClock, type VirtualClock } from './virtual-clock.js'

/** The address that all devices of a world dial. */
const WORLD_URL = 'ws://server.test/sync'
/** A fixed day, so that a history doesn't depend on when it runs. */
const START_MS = Date.UTC(2026, 0, 1)

/** Events of one document from which on a device that catches up may get its merged state. */
const MIN_STATE_EVENTS = 3

/** How often somebody on the way tries to change a merged state. Probability per event. */
const TAMPERED = 0.1

/** What a byte on its way to a device counts for in the server's socket: with the last two, a few events fill it. */
const QUEUED_FACTORS = [0, 0, 300, 3_000]

/** One device of the world. Its client comes and goes, its disk stays. */
export interface WorldDevice {
  readonly name: string
  /** The account's name; devices of one account share its key. */
  readonly account: string
  readonly pubkey: string
  readonly disk: DeviceDisk
  /** The running client; undefined while the device is off or starting. */
  readonly client: SyncClient | undefined
  /** How far its clock is off, milliseconds. */
  skewMs: number
  /** Whether its signer fails for now. */
  isSignerBroken: boolean
  /** Whether it goes to a plain relay in place of the server, from its next start. */
  isElsewhere: boolean
  /** Starts the client and connects. Does nothing while it runs. */
  start(): void
  /** Kills the client in the middle of whatever it does. */
  crash(): void
  /** Closes the client, as an app does before it ends. Rejects as that does; the device is off then, too. */
  close(): Promise<void>
}

/** A server and devices in one process, on virtual time. The same seed and the same calls give the same history. */
export interface World {
  readonly clock: VirtualClock
  readonly random: SeededRandom
  readonly network: Network
  readonly serverDisk: ServerDisk
  readonly devices: readonly WorldDevice[]
  readonly isServerUp: boolean
  /** Whether what merges on the server ends now and then. Its documents are then loaded again. */
  endsMerging: boolean
  /** Whether somebody on the way changes merged states. A device then connects again. */
  isTamperedWith: boolean
  addDevice(name: string, account: string): WorldDevice
  startServer(): void
  /** Kills the server in the middle of whatever it does. */
  crashServer(): void
  /** Has the server stop in an orderly way: what it has taken is answered first. */
  stopServer(): Promise<void>
  /** Lets virtual time pass, milliseconds. */
  advance(ms: number): Promise<void>
  /** What went wrong inside a client that should never go wrong. */
  readonly errors: readonly string[]
}

/** Hooks for checks and for known faults. */
export interface WorldOptions {
  readonly seed: string
  /** What server and devices go by; the server says in its NIP-11 document how large an event may be. @default {@link DEFAULT_LIMITS} */
  readonly limits?: Limits
  /** Called with every message that the server sends to a device. */
  onDelivered?(device: WorldDevice, text: string): void
  /** Called with every message that a device sends. */
  onSent?(device: WorldDevice, text: string): void
  onStatus?(device: WorldDevice, status: SyncStatus): void
  /** Called when a device was killed, with what is left on its disk. */
  onDeviceCrashed?(device: WorldDevice): void
  /** Called when the server was killed, with what is left on its disk. */
  onServerCrashed?(): void
  /** What a device holds at its first start, by its name. @default 'all' */
  readonly holds?: Readonly<Record<string, HoldChoice>>
  /** Whether the server tells of documents without their bodies. @default true */
  readonly offersSummaries?: boolean
  /** Whether devices can tell a copy of another one's disk from their own. @default false */
  readonly knowsInstalls?: boolean
  /** @default as in a real device, with signers that take no time */
  readonly settings?: DeviceSettings
  /**
   * Whether reading disks, merging and checking take time, each in half of the worlds, and in half of them sockets fill up and
   * what merges ends now and then. What a client is asked is then answered only when time passes. @default false
   */
  readonly isSlow?: boolean
  /** Lets a test break the world on purpose, to prove that the checks see it. */
  readonly fault?: WorldFault
}

/** Wrappers around the parts of the world; each may replace what it is given. */
export interface WorldFault {
  readonly name: string
  /** What goes wrong, in one sentence. */
  readonly summary: string
  /** Which histories show it. @default 'standard' */
  readonly scenario?: Scenario
  wrapStore?(store: SyncStore, device: WorldDevice): SyncStore
  wrapLog?(log: EventLog, world: World): EventLog
  /** Options of the devices in place of the world's. */
  readonly upkeep?: Pick<SyncClientOptions, 'checkpoints' | 'compaction'>
  /** What the server takes for "this state contains that update", where a checkpoint is to replace events. */
  readonly contains?: (state: Y.Doc, update: Uint8Array) => boolean
  wrapHub?(hub: Hub, world: World): Hub
  wrapMerger?(merger: Merger): Merger
  /** Wraps what devices check events with. */
  wrapVerifier?(verifier: EventVerifier): EventVerifier
  wrapTransport?(transport: Transport, device: WorldDevice): Transport
  /** Events of one document under way at a time, where it isn't one. */
  readonly inFlightPerDocument?: number
  /** How long the server's disk takes to really write what it called written. Milliseconds. */
  readonly serverSyncDelayMs?: number
}

export function createWorld(options: WorldOptions): World {
  const { fault, limits = DEFAULT_LIMITS, isSlow = false } = options
  const { maxSignMs = () => 0, ...settings } = options.settings ?? {}
  const random = createSeededRandom(options.seed)
  const clock = createVirtualClock(START_MS)
  const serverDisk = createServerDisk(
    clock,
    random.fork('server disk'),
    fault?.serverSyncDelayMs,
    delayFor('server disk/reading'),
  )
  const devices: WorldDevice[] = []
  const errors: string[] = []
  let relay: Relay | undefined
  let isRelayAlive = () => false
  let serverStarts = 0
  const plainRelay = createPlainRelay()

  // Of its own, so that a message that is tampered with doesn't move what else is drawn.
  const tampering = random.fork('tampering')
  const [takeMerging, takeChecking] = [delayFor('merging'), delayFor('checking')]

  const network = createNetwork({
    clock,
    random: random.fork('network'),
    queuedFactor: isSlow ? random.fork('network/sockets').pick(QUEUED_FACTORS) : 0,
    accept(name): Accept | undefined {
      if (isElsewhere(name)) return plainRelay
      return relay === undefined ? undefined : (peer) => (relay as Relay).connect(peer)
    },
    info: (name) =>
      isElsewhere(name)
        ? { name: 'plain' }
        : {
            yjs_sync: 1,
            self: serverKey().pubkey,
            ...(options.offersSummaries === false ? {} : { yjs_summaries: 1 }),
            limitation: { max_content_length: limits.maxEventBytes },
          },
    onTheWay: (text) =>
      text.startsWith('["EVENT"') && tampering.chance(TAMPERED) && world.isTamperedWith
        ? tamperWithState(text)
        : text,
    onDelivered(name, text) {
      if (!isElsewhere(name)) options.onDelivered?.(deviceOf(name), text)
    },
    onSent: (name, text) => options.onSent?.(deviceOf(name), text),
  })

  function delayFor(purpose: string) {
    return isSlow ? createDelay(clock, random.fork(purpose)) : NO_DELAY
  }

  function createMerger(random: SeededRandom): Merger {
    const work = fault?.contains === undefined ? {} : { contains: fault.contains }
    if (!isSlow) return createLocalMerger(work)
    const endsNow = () => world.endsMerging
    const merger = createApartMerger({ ...work, takeTime: takeMerging, random, endsNow })
    return fault?.wrapMerger?.(merger) ?? merger
  }

  /** Every database has a key of its own. */
  function serverKey(): QuickKey {
    return createQuickKey(`server of ${serverDisk.contents.databaseId}`)
  }

  function deviceOf(name: string): WorldDevice {
    return devices.find((candidate) => candidate.name === name) as WorldDevice
  }

  function isElsewhere(name: string): boolean {
    return devices.some((device) => device.name === name && device.isElsewhere)
  }

  function addDevice(name: string, account: string): WorldDevice {
    let client: SyncClient | undefined
    let starts = 0
    let isRunning = false
    const disk = createDeviceDisk(clock, random.fork(`disk of ${name}`), delayFor(`disk of ${name}/reading`))
    const key = createQuickKey(account, () => {
      if (device.isSignerBroken) throw new Error('the signer of this device is broken for now')
    })
    const signing = random.fork(`signer of ${name}`)
    const signer: Signer = {
      ...key.signer,
      async signEvent(template) {
        const ms = signing.below(1 + maxSignMs(name))
        if (ms > 0) await new Promise<void>((resolve) => clock.setTimeout(resolve, ms))
        return key.sign(template)
      },
    }

    async function open(startedAs: number): Promise<void> {
      const isAlive = () => isRunning && starts === startedAs
      const transport = network.transportOf(name)
      const store = disk.open()
      const hold = options.holds?.[name]
      const opened = await createSyncClient({
        url: WORLD_URL,
        // No such host: the network is a simulated one.
        allowInsecure: true,
        store: fault?.wrapStore?.(store, device) ?? store,
        signer,
        verifier: fault?.wrapVerifier?.(quickVerifier) ?? quickVerifier,
        limits,
        transport: fault?.wrapTransport?.(transport, device) ?? transport,
        clock: createOwnedClock(clock, () => device.skewMs, isAlive),
        random: random.fork(`device ${name} start ${startedAs}`),
        ...(hold === undefined || startedAs > 1 ? {} : { hold }),
        ...(options.knowsInstalls === true ? { installId: name } : {}),
        ...settings,
        ...fault?.upkeep,
        ...(fault?.inFlightPerDocument === undefined
          ? {}
          : { inFlightPerDocument: fault.inFlightPerDocument }),
      })
      if (!isAlive()) return
      client = opened
      opened.onStatus((status) => {
        if (isAlive()) options.onStatus?.(device, status)
      })
      opened.connect()
    }

    const device: WorldDevice = {
      name,
      account,
      pubkey: key.pubkey,
      disk,
      get client() {
        return client
      },
      skewMs: 0,
      isSignerBroken: false,
      isElsewhere: false,
      start() {
        if (isRunning) return
        isRunning = true
        const startedAs = ++starts
        open(startedAs).catch((error: unknown) => {
          // A full disk at the start: the app would show it, and the user start again.
          if (starts === startedAs) isRunning = false
          if ((error as { code?: string }).code !== 'STORE_FAILED')
            errors.push(`${name} can't start: ${String(error)}`)
        })
      },
      crash() {
        if (!isRunning) return
        isRunning = false
        client = undefined
        disk.crash()
        network.deviceGone(name)
        options.onDeviceCrashed?.(device)
      },
      async close() {
        const [closing, startedAs] = [client, starts]
        if (closing === undefined) return
        client = undefined
        await closing.close().finally(() => {
          if (starts !== startedAs || !isRunning) return
          if (disk.isWriting) errors.push(`${name} is closed, and still writes`)
          device.crash()
        })
      },
    }
    devices.push(device)
    return device
  }

  function endServer(): void {
    relay = undefined
    serverDisk.crash()
    network.serverGone()
    options.onServerCrashed?.()
  }

  const world: World = {
    clock,
    random,
    network,
    serverDisk,
    devices,
    errors,
    endsMerging: isSlow && random.fork('merging/ends').chance(0.5),
    isTamperedWith: true,
    get isServerUp() {
      return relay !== undefined
    },
    addDevice,
    startServer() {
      if (relay !== undefined) return
      const startedAs = ++serverStarts
      isRelayAlive = () => relay !== undefined && serverStarts === startedAs
      const log = serverDisk.open()
      const hub = createHub(silentLogger)
      relay = createRelay({
        log: fault?.wrapLog?.(log, world) ?? log,
        hub: fault?.wrapHub?.(hub, world) ?? hub,
        merger: createMerger(random.fork(`merging/start ${startedAs}`)),
        relayUrls: () => [WORLD_URL],
        limits,
        logger: silentLogger,
        clock: createOwnedClock(clock, () => 0, isRelayAlive),
        random: random.fork(`server start ${startedAs}`),
        verifier: inNoOrder(quickVerifier, takeChecking),
        sign: serverKey().sign,
        // Short histories have few events of one document.
        minStateEvents: MIN_STATE_EVENTS,
      })
    },
    crashServer() {
      if (relay !== undefined) endServer()
    },
    async stopServer() {
      const stopping = relay
      await stopping?.stop()
      if (stopping === undefined || relay !== stopping) return
      if (serverDisk.isWriting) errors.push('the server has stopped, and still writes')
      endServer()
    },
    advance: (ms) => clock.advance(ms),
  }
  return world
}

/** A verifier that spreads what it checks over threads: what was asked last may be answered first. */
function inNoOrder(verifier: EventVerifier, takeTime: () => Promise<void>): RelayVerifier {
  return {
    ...verifier,
    async later(event) {
      await takeTime()
      verifier.verify(event)
    },
  }
}

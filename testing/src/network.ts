import type { ConnectionHandlers, Transport } from '@onyx-sync/client'
import { SyncError } from '@onyx-sync/shared'
import type { SeededRandom } from './seeded-random.js'
import type { VirtualClock } from './virtual-clock.js'

/** One accepted connection, as the server sees it. */
export interface ServerEnd {
  receive(text: string): void
  end(): void
}

/** Where connections arrive. Undefined while the server is down. */
export type Accept = (peer: {
  send(message: string | Uint8Array): void
  close(code: number, reason: string): void
  queuedBytes(): number
  pause(): void
  resume(): void
  drained(): Promise<void>
}) => ServerEnd

/** How messages travel. Delays are milliseconds of virtual time. */
export interface NetworkOptions {
  readonly clock: VirtualClock
  readonly random: SeededRandom
  /** What a byte on its way to a device counts for in the server's socket. @default 0 */
  readonly queuedFactor?: number
  /** The server at this moment, if it is up. */
  accept(device: string): Accept | undefined
  /** The NIP-11 document. */
  info(device: string): unknown
  /** What becomes of a message to a device on the way. @default what it was */
  onTheWay?(text: string): string
  /** Called with every message that a server hands to the network, and for whom. */
  onDelivered?(device: string, text: string): void
  /** Called with every message that a device hands to the network. */
  onSent?(device: string, text: string): void
}

/** A network that delays, doubles, cuts and deceives, but keeps the order within one connection, as TCP does. */
export interface Network {
  transportOf(device: string): Transport
  /** Whether a device has a network at all. Taking it away cuts its connections. */
  setOnline(device: string, isOnline: boolean): void
  /** Cuts a device's connections; both ends are told. */
  cut(device: string): void
  /** Lets a device's connections look open while nothing passes any more. */
  halfOpen(device: string): void
  /** The device's process is gone: nothing more comes from it or reaches it; the server may hear of it late. */
  deviceGone(device: string): void
  /** The server is gone: its connections break, some of them without a word. */
  serverGone(): void
  /** Messages handed over since the start, both ways. */
  readonly messages: number
  /** How often a device has dialled since the start. */
  dials(device: string): number
}

interface Link {
  readonly device: string
  readonly handlers: ConnectionHandlers
  server: ServerEnd | undefined
  /** Nothing passes any more, and neither end is told. */
  isDead: boolean
  isClosed: boolean
  /** Earliest time of the next delivery, per direction: what was sent first arrives first. */
  toServerAtMs: number
  toDeviceAtMs: number
  /** What the server has handed over and the device has not got yet, as its socket counts it. */
  queuedBytes: number
  readonly whenDrained: (() => void)[]
}

/** Longest time that most messages take, one for each world: a cable, a phone on a train, a satellite. */
const MAX_DELAYS_MS = [120, 120, 120, 600, 1_500]
/** How often an event is delivered twice, each way: what a proxy that retries does. Probability per event. */
const DUPLICATES = 0.01

export function createNetwork(options: NetworkOptions): Network {
  const { clock, random, queuedFactor = 0 } = options
  const links = new Set<Link>()
  const offline = new Set<string>()
  const dials = new Map<string, number>()
  let messages = 0
  // Of its own, so that whether something is doubled doesn't move what else is drawn.
  const duplicates = random.fork('duplicates')

  const maxDelayMs = random.pick(MAX_DELAYS_MS)
  // Some take much longer.
  const delayMs = () => 1 + random.below(random.chance(0.05) ? Math.min(maxDelayMs * 10, 4_000) : maxDelayMs)

  function isDoubled(text: string): boolean {
    return text.startsWith('["EVENT"') && duplicates.chance(DUPLICATES)
  }

  function toServer(link: Link, deliver: () => void): void {
    link.toServerAtMs = Math.max(link.toServerAtMs, clock.now() + delayMs())
    clock.setTimeout(deliver, link.toServerAtMs - clock.now())
  }

  function toDevice(link: Link, deliver: () => void): void {
    link.toDeviceAtMs = Math.max(link.toDeviceAtMs, clock.now() + delayMs())
    clock.setTimeout(deliver, link.toDeviceAtMs - clock.now())
  }

  function open(link: Link): void {
    const accept = options.accept(link.device)
    if (link.isClosed || link.isDead) return
    if (accept === undefined || offline.has(link.device)) {
      closeDevice(link, 1006, '')
      return
    }
    toDevice(link, () => {
      if (!link.isClosed && !link.isDead) link.handlers.onOpen()
    })
    link.server = accept({
      queuedBytes: () => link.queuedBytes,
      // No device of these worlds has as much under way as a server stops reading for.
      pause() {},
      resume() {},
      drained: () =>
        link.queuedBytes === 0 || link.server === undefined
          ? Promise.resolve()
          : new Promise((resolve) => link.whenDrained.push(resolve)),
      send(message) {
        if (link.isClosed) return
        const text = typeof message === 'string' ? message : new TextDecoder().decode(message)
        options.onDelivered?.(link.device, text)
        const arriving = options.onTheWay?.(text) ?? text
        const deliver = () => {
          if (!link.isClosed && !link.isDead) link.handlers.onMessage(arriving)
        }
        messages++
        const bytes = text.length * queuedFactor
        link.queuedBytes += bytes
        toDevice(link, () => {
          if (!link.isDead) takeOff(link, bytes)
          deliver()
        })
        if (isDoubled(text)) toDevice(link, deliver)
      },
      close(code, reason) {
        link.server = undefined
        toDevice(link, () => closeDevice(link, code, reason))
      },
    })
  }

  function closeDevice(link: Link, code: number, reason: string): void {
    if (link.isClosed || link.isDead) return
    link.isClosed = true
    links.delete(link)
    link.handlers.onClose(code, reason)
  }

  function takeOff(link: Link, bytes: number): void {
    link.queuedBytes = Math.max(0, link.queuedBytes - bytes)
    if (link.queuedBytes === 0) for (const resolve of link.whenDrained.splice(0)) resolve()
  }

  function closeServer(link: Link): void {
    const { server } = link
    link.server = undefined
    takeOff(link, link.queuedBytes)
    server?.end()
  }

  function breakLink(link: Link): void {
    toServer(link, () => closeServer(link))
    toDevice(link, () => closeDevice(link, 1006, ''))
  }

  function linksOf(device: string): Link[] {
    return [...links].filter((link) => link.device === device)
  }

  return {
    transportOf: (device) => ({
      dial(_url, handlers) {
        const link: Link = {
          device,
          handlers,
          server: undefined,
          isDead: false,
          isClosed: false,
          toServerAtMs: 0,
          toDeviceAtMs: 0,
          queuedBytes: 0,
          whenDrained: [],
        }
        links.add(link)
        dials.set(device, (dials.get(device) ?? 0) + 1)
        toServer(link, () => open(link))
        return {
          send(text) {
            if (link.isClosed) return
            options.onSent?.(device, text)
            messages++
            const deliver = () => {
              if (!link.isDead) link.server?.receive(text)
            }
            toServer(link, deliver)
            if (isDoubled(text)) toServer(link, deliver)
          },
          close() {
            link.isClosed = true
            links.delete(link)
            toServer(link, () => {
              if (!link.isDead) closeServer(link)
            })
          },
        }
      },
      async fetchInfo() {
        await new Promise<void>((resolve) => clock.setTimeout(resolve, delayMs()))
        if (options.accept(device) === undefined || offline.has(device)) {
          throw new SyncError('CONNECTION_FAILED', 'the server can not be reached')
        }
        return options.info(device)
      },
    }),

    setOnline(device, isOnline) {
      if (isOnline) offline.delete(device)
      else {
        offline.add(device)
        for (const link of linksOf(device)) breakLink(link)
      }
    },

    cut(device) {
      for (const link of linksOf(device)) breakLink(link)
    },

    halfOpen(device) {
      for (const link of linksOf(device)) {
        link.isDead = true
        // The server's own pings find it out, later than anything else happens.
        clock.setTimeout(() => closeServer(link), 60_000)
      }
    },

    deviceGone(device) {
      for (const link of linksOf(device)) {
        link.isClosed = true
        links.delete(link)
        if (random.chance(0.2)) clock.setTimeout(() => closeServer(link), 60_000)
        else toServer(link, () => closeServer(link))
      }
    },

    serverGone() {
      for (const link of links) {
        link.server = undefined
        if (random.chance(0.2)) link.isDead = true
        else toDevice(link, () => closeDevice(link, 1006, ''))
      }
    },

    get messages() {
      return messages
    },
    dials: (device) => dials.get(device) ?? 0,
  }
}

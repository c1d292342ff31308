import { createServer } from 'node:net'
import { join } from 'node:path'
import { type Bench, type Figure, medianOf, pause, ratio, reported } from './bench.js'
import { type Contender, untilCount } from './contender.js'
import { ownContender } from './own-contender.js'
import { automergeRepo, hocuspocus, installedPeers, yWebsocket } from './peers.js'
import type { MeasuredServer } from './server-process.js'
import { createWriter } from './text.js'
import { createWireMeter, type WireMeter } from './wire-meter.js'

const MESSAGE_LENGTH = 400
const MISSED = 100
/** Until everybody has written what he writes later: Hocuspocus waits for 2 s. Milliseconds. */
const SETTLE_MS = 3_000
const QUICK_SETTLE_MS = 300

/** What bringing one device up to date took. */
interface Arrival {
  readonly tookMs: number
  readonly downBytes: number
  readonly cpuMs: number
}

interface Running {
  readonly contender: Contender
  readonly directory: string
  readonly port: number
  readonly meter: WireMeter
  server: MeasuredServer
  readonly warm: Arrival[]
  readonly restarted: Arrival[]
  missed: Arrival | undefined
}

/** A fresh device gets a long chat; a device gets what it missed: time and bytes, beside the peers. */
export const catchUp: Bench = {
  name: 'catch-up',
  summary: 'a new device gets a chat of 10,000 messages, and one that missed 100, beside the peers',
  async run({ directory, isQuick, progress }) {
    const messages = isQuick ? 100 : 10_000
    const rounds = isQuick ? 1 : 3
    const settleMs = isQuick ? QUICK_SETTLE_MS : SETTLE_MS
    const peers = installedPeers([hocuspocus, yWebsocket, automergeRepo])
    const running: Running[] = []
    try {
      for (const [index, contender] of [ownContender({ name: 'onyx-sync' }), ...peers].entries()) {
        const one = await start(contender, join(directory, `catch-up-${index}`))
        running.push(one)
        await fill(one, messages, settleMs, progress)
      }
      const arrive = async (one: Running, into: Arrival[], what: string): Promise<void> => {
        progress(`${one.contender.name}: ${what}, ${into.length + 1} of ${rounds}`)
        into.push(await freshDevice(one, messages + MISSED))
      }
      for (let round = 0; round < rounds; round++) {
        for (const one of inTurn(running, round)) await arrive(one, one.warm, 'new device')
        for (const one of inTurn(running, round)) {
          await one.server.stop()
          const { contender, port, meter } = one
          one.server = await contender.start({ directory: one.directory, port, url: meter.url })
          await pause(settleMs)
          await arrive(one, one.restarted, 'new device after a restart')
        }
      }
    } finally {
      for (const { server, meter } of running) {
        await meter.close()
        await server.stop()
      }
    }
    return [...running.flatMap(figuresOf), ...ratiosOf(running)]
  },
}

/** Each round begins with another one, so that what disturbs a round disturbs them all in turn. */
function inTurn(running: readonly Running[], round: number): Running[] {
  return running.map((_, index) => running[(index + round) % running.length] as Running)
}

async function start(contender: Contender, directory: string): Promise<Running> {
  const port = await freePort()
  const meter = await createWireMeter(`ws://127.0.0.1:${port}${contender.path}`)
  const server = await contender.start({ directory, port, url: meter.url })
  return { contender, directory, port, meter, server, warm: [], restarted: [], missed: undefined }
}

/** One message after another, with a device that reads along and misses the last ones. */
async function fill(
  one: Running,
  count: number,
  settleMs: number,
  progress: (text: string) => void,
): Promise<void> {
  const { contender, meter, server } = one
  const write = createWriter('catch up')
  const writer = await contender.open(meter.url, 'chat')
  const append = async (from: number, to: number): Promise<void> => {
    for (let index = from; index < to; index++) {
      writer.append(write(MESSAGE_LENGTH))
      // So that they are edits of their own, and not merged into one.
      await pause(1)
      if (index % 100 === 0) progress(`${contender.name}: message ${index} of ${to}`)
    }
  }
  await append(0, 1)
  await pause(200)
  const reader = await contender.open(meter.url, 'chat')
  await append(1, count)
  await untilCount(reader, count)
  reader.disconnect()
  await append(count, count + MISSED)
  await pause(settleMs)
  meter.reset()
  const cpuBefore = server.cpuSeconds()
  const startedAt = performance.now()
  reader.connect()
  await untilCount(reader, count + MISSED)
  const tookMs = performance.now() - startedAt
  // What comes with it or right after it: acknowledgements, awareness.
  await pause(500)
  one.missed = { tookMs, downBytes: meter.bytes.down, cpuMs: (server.cpuSeconds() - cpuBefore) * 1000 }
  await reader.close()
  await writer.close()
  await pause(settleMs)
}

async function freshDevice({ contender, meter, server }: Running, count: number): Promise<Arrival> {
  meter.reset()
  const cpuBefore = server.cpuSeconds()
  const startedAt = performance.now()
  const device = await contender.open(meter.url, 'chat')
  await untilCount(device, count)
  const tookMs = performance.now() - startedAt
  const { down } = meter.bytes
  const cpuMs = (server.cpuSeconds() - cpuBefore) * 1000
  await device.close()
  return { tookMs, downBytes: down, cpuMs }
}

function figuresOf({ contender: { name }, warm, restarted, missed }: Running): Figure[] {
  const figures = (what: string, arrivals: readonly Arrival[]): Figure[] => [
    reported(`${name}: ${what}`, medianOf(arrivals.map(({ tookMs }) => tookMs)), 'ms'),
    reported(`${name}: ${what}, received`, medianOf(arrivals.map(({ downBytes }) => downBytes)) / 1e6, 'MB'),
    reported(`${name}: ${what}, server CPU`, medianOf(arrivals.map(({ cpuMs }) => cpuMs)), 'ms'),
  ]
  return [
    ...figures('a new device', warm),
    ...figures('after a restart', restarted),
    reported(`${name}: ${MISSED} missed`, missed?.tookMs ?? 0, 'ms'),
    reported(`${name}: ${MISSED} missed, received`, (missed?.downBytes ?? 0) / 1e3, 'kB'),
  ]
}

function ratiosOf([own, ...others]: readonly Running[]): Figure[] {
  if (own === undefined) return []
  return others.flatMap((other) => {
    const to = `onyx-sync to ${other.contender.name}`
    const ratios = (list: 'warm' | 'restarted', of: 'tookMs' | 'downBytes') =>
      own[list].map((arrival, round) => arrival[of] / (other[list][round] as Arrival)[of])
    return [
      ratio(`a new device: time, ${to}`, ratios('warm', 'tookMs')),
      ratio(`a new device: bytes, ${to}`, ratios('warm', 'downBytes')),
      ratio(`after a restart: time, ${to}`, ratios('restarted', 'tookMs')),
      ratio(`${MISSED} missed: bytes, ${to}`, [
        (own.missed?.downBytes ?? 0) / (other.missed?.downBytes ?? 0),
      ]),
    ]
  })
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer()
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => resolve(address !== null && typeof address === 'object' ? address.port : 0))
    })
  })
}

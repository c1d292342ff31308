import { join } from 'node:path'
import { type Bench, type Figure, medianOf, pause, percentile, ratio, reported } from './bench.js'
import { type Contender, type ContenderDevice, untilCount } from './contender.js'
import { createWayTimes, ownContender, type WayTimes } from './own-contender.js'
import { automergeRepo, hocuspocus, hocuspocusInMemory, installedPeers, yWebsocket } from './peers.js'
import type { MeasuredServer } from './server-process.js'

/** Between an edit that was seen and the next one: nothing is under way then. Milliseconds. */
const PAUSE_MS = 10
const TEXT = 'A message as people write them.'

interface Running {
  readonly contender: Contender
  readonly server: MeasuredServer
  readonly writer: ContenderDevice
  readonly reader: ContenderDevice
  /** How long each edit took, by round. */
  readonly rounds: number[][]
  /** Processor time of the server for all of them, seconds. */
  cpuSeconds: number
}

/** How long an edit takes from one device to another while nothing else is going on, beside the peers. */
export const latency: Bench = {
  name: 'latency',
  summary: 'an edit on one device until another one shows it, both idle, beside the peers',
  async run({ directory, isQuick, progress }) {
    const rounds = isQuick ? 2 : 5
    const editsPerRound = isQuick ? 5 : 60
    // For the engines to compile what is used: a server has been up for a while when somebody waits for it.
    const warmUp = isQuick ? 5 : 300
    const times = createWayTimes()
    const own = ownContender({ name: 'onyx-sync', times })
    const wholeName = 'onyx-sync, devices on SQLite with noble'
    const whole = ownContender({ name: wholeName, directory, isPure: true })
    const peers = installedPeers([hocuspocus, hocuspocusInMemory, yWebsocket, automergeRepo])
    const running: Running[] = []
    const startedAt: number[] = []
    const seenAt: number[] = []
    try {
      for (const [index, contender] of [own, whole, ...peers].entries()) {
        progress(`starting ${contender.name}`)
        running.push(await start(contender, join(directory, `latency-${index}`)))
      }
      for (let round = -1; round < rounds; round++) {
        // Each round begins with another one, so that what disturbs a round disturbs them all in turn.
        for (let turn = 0; turn < running.length; turn++) {
          const one = running[(turn + round + 1) % running.length] as Running
          progress(`${one.contender.name}: round ${round + 1} of ${rounds}`)
          if (round === 0 && one.contender === own) for (const list of Object.values(times)) list.length = 0
          const cpuBefore = one.server.cpuSeconds()
          const edits = await measure(one, round < 0 ? warmUp : editsPerRound)
          if (round < 0) continue
          one.cpuSeconds += one.server.cpuSeconds() - cpuBefore
          one.rounds.push(edits.map(({ startMs, endMs }) => endMs - startMs))
          if (one.contender !== own) continue
          startedAt.push(...edits.map(({ startMs }) => startMs))
          seenAt.push(...edits.map(({ endMs }) => endMs))
        }
      }
    } finally {
      for (const { writer, reader, server } of running) {
        await writer.close()
        await reader.close()
        await server.stop()
      }
    }
    return [...running.flatMap(figuresOf), ...ratiosOf(running), ...partsOf(times, startedAt, seenAt)]
  },
}

async function start(contender: Contender, directory: string): Promise<Running> {
  const server = await contender.start({ directory })
  const writer = await contender.open(server.url, 'chat')
  writer.append(TEXT)
  // automerge-repo answers for a document only once it was sent.
  await pause(500)
  const reader = await contender.open(server.url, 'chat')
  await untilCount(reader, 1)
  return { contender, server, writer, reader, rounds: [], cpuSeconds: 0 }
}

async function measure(
  { writer, reader }: Running,
  count: number,
): Promise<{ startMs: number; endMs: number }[]> {
  const edits: { startMs: number; endMs: number }[] = []
  for (let index = 0; index < count; index++) {
    await pause(PAUSE_MS)
    const seen = untilCount(reader, reader.count() + 1).then(() => performance.now())
    const startMs = performance.now()
    writer.append(TEXT)
    edits.push({ startMs, endMs: await seen })
  }
  return edits
}

function figuresOf({ contender: { name }, rounds, cpuSeconds }: Running): Figure[] {
  const sorted = rounds.flat().sort((a, b) => a - b)
  return [
    reported(`${name}: seen after, p50`, percentile(sorted, 0.5), 'ms'),
    reported(`${name}: seen after, p99`, percentile(sorted, 0.99), 'ms'),
    reported(`${name}: server CPU per edit`, (cpuSeconds / sorted.length) * 1000, 'ms'),
  ]
}

/** Ours to each of the others, round by round. */
function ratiosOf([own, ...others]: readonly Running[]): Figure[] {
  if (own === undefined) return []
  return others.map(({ contender: { name }, rounds }) =>
    ratio(
      `p50, onyx-sync to ${name}`,
      rounds.map((times, round) => medianOf(own.rounds[round] ?? []) / medianOf(times)),
    ),
  )
}

/** Where the time of an edit of ours goes: one event belongs to an edit, and nothing else is under way. */
function partsOf(times: WayTimes, startedAt: readonly number[], seenAt: readonly number[]): Figure[] {
  const sentAt = startedAt.map((at) => firstFrom(times.sentAt, at))
  const receivedAt = sentAt.map((at) => firstFrom(times.receivedAt, at))
  const okAt = sentAt.map((at) => firstFrom(times.okAt, at))
  const between = (from: readonly number[], to: readonly number[]) =>
    medianOf(from.map((at, index) => (to[index] as number) - at))
  return [
    reported('onyx-sync: edit until its event is sent, p50', between(startedAt, sentAt), 'ms'),
    reported('onyx-sync: of that, signing, p50', medianOf(times.signMs), 'ms'),
    reported('onyx-sync: sent until it is received, p50', between(sentAt, receivedAt), 'ms'),
    reported('onyx-sync: sent until OK, on disk, p50', between(sentAt, okAt), 'ms'),
    reported('onyx-sync: received until it is shown, p50', between(receivedAt, seenAt), 'ms'),
    reported('onyx-sync: of that, checking, p50', medianOf(times.verifyMs), 'ms'),
  ]
}

function firstFrom(ascending: readonly number[], at: number): number {
  return ascending.find((time) => time >= at) ?? Number.NaN
}

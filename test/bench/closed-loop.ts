import { join } from 'node:path'
import { type Bench, type Figure, medianOf, pause, ratio, reported } from './bench.js'
import { type Contender, type ContenderDevice, untilCount } from './contender.js'
import { createWayTimes, ownContender, type WayTimes } from './own-contender.js'
import { hocuspocus, installedPeers, yWebsocket } from './peers.js'
import type { MeasuredServer } from './server-process.js'

const DEVICES = 5
/** Edits of a device that not everybody has seen yet: one after another, as somebody makes them who writes fast, and more. */
const UNDER_WAY = [1, 16, 64]
/** How often all that may be under way is seen by all in a round, at least. */
const MIN_TURNS = 4
const TEXT = 'A few words.'

interface Running {
  readonly contender: Contender
  readonly server: MeasuredServer
  /** The devices of each document. */
  readonly documents: ContenderDevice[][]
}

interface Round {
  readonly msPerEdit: number
  readonly cpuMsPerEdit: number
  /** Events of ours that were sent meanwhile. */
  readonly events: number
}

/** Documents that several devices edit as fast as everybody sees it: edits a second, and what they cost the server. */
export const closedLoop: Bench = {
  name: 'closed-loop',
  summary: '10 documents of 5 devices that edit as fast as all see it, beside the peers',
  async run({ directory, isQuick, progress }) {
    const documents = isQuick ? 2 : 10
    const edits = isQuick ? 40 : 200
    const rounds = isQuick ? 1 : 3
    // automerge-repo fails with many edits under way: its documents are outdated when messages come.
    const peers = installedPeers([hocuspocus, yWebsocket])
    const times = createWayTimes()
    const own = ownContender({ name: 'onyx-sync', times })
    const running: Running[] = []
    const figures: Figure[] = []
    try {
      for (const [index, contender] of [own, ...peers].entries()) {
        progress(`starting ${contender.name}`)
        running.push(await start(contender, join(directory, `closed-loop-${index}`), documents))
      }
      // For the engine to compile.
      for (const one of running) await runRound(one, edits / 4, 1, times)
      for (const underWay of UNDER_WAY) {
        const perDocument = Math.max(edits, underWay * DEVICES * (isQuick ? 1 : MIN_TURNS))
        const measured = running.map((): Round[] => [])
        for (let round = 0; round < rounds; round++) {
          for (let turn = 0; turn < running.length; turn++) {
            const index = (turn + round) % running.length
            const one = running[index] as Running
            progress(`${one.contender.name}: ${underWay} under way, round ${round + 1} of ${rounds}`)
            measured[index]?.push(await runRound(one, perDocument, underWay, times))
          }
        }
        figures.push(
          ...figuresOf(running, measured, `${underWay} under way`),
          ...batchesOf(measured[0] ?? [], perDocument * documents, `${underWay} under way`),
        )
      }
    } finally {
      for (const { documents: opened, server } of running) {
        for (const device of opened.flat()) await device.close()
        await server.stop()
      }
    }
    return figures
  },
}

async function start(contender: Contender, directory: string, documents: number): Promise<Running> {
  const server = await contender.start({ directory })
  const opened: ContenderDevice[][] = []
  for (let document = 0; document < documents; document++) {
    const devices: ContenderDevice[] = []
    for (let device = 0; device < DEVICES; device++) {
      devices.push(await contender.open(server.url, `chat-${document}`))
      if (device > 0) continue
      devices[0]?.append(TEXT)
      await pause(500)
    }
    await Promise.all(devices.map((device) => untilCount(device, 1)))
    opened.push(devices)
  }
  return { contender, server, documents: opened }
}

async function runRound(
  { server, documents }: Running,
  edits: number,
  underWay: number,
  times: WayTimes,
): Promise<Round> {
  times.sentAt.length = 0
  const cpuBefore = server.cpuSeconds()
  const startedAt = performance.now()
  await Promise.all(documents.map((devices) => editInTurn(devices, edits, underWay * DEVICES)))
  const total = edits * documents.length
  return {
    msPerEdit: (performance.now() - startedAt) / total,
    cpuMsPerEdit: ((server.cpuSeconds() - cpuBefore) * 1000) / total,
    events: times.sentAt.length,
  }
}

/** The devices append in turn, so that there are always so many edits that not all have seen. Resolves when all have. */
function editInTurn(devices: readonly ContenderDevice[], edits: number, underWay: number): Promise<void> {
  const before = Math.min(...devices.map((device) => device.count()))
  let appended = 0
  return new Promise((resolve) => {
    let isAppending = false
    const look = (): void => {
      // Appending calls back at once.
      if (isAppending) return
      isAppending = true
      const seen = Math.min(...devices.map((device) => device.count())) - before
      while (appended < edits && appended - seen < underWay) {
        devices[appended % devices.length]?.append(TEXT)
        appended++
      }
      isAppending = false
      if (seen < edits) return
      for (const end of ends) end()
      resolve()
    }
    const ends = devices.map((device) => device.onChange(look))
    look()
  })
}

/** How many edits of ours travelled together. */
function batchesOf(rounds: readonly Round[], edits: number, what: string): Figure[] {
  return [
    reported(`onyx-sync: ${what}, edits per event`, edits / medianOf(rounds.map(({ events }) => events)), ''),
  ]
}

function figuresOf(running: readonly Running[], measured: readonly Round[][], what: string): Figure[] {
  const [own = [], ...others] = measured
  const figures = running.flatMap(({ contender: { name } }, index) => {
    const rounds = measured[index] ?? []
    return [
      reported(`${name}: ${what}, edits/s`, 1000 / medianOf(rounds.map(({ msPerEdit }) => msPerEdit)), ''),
      reported(
        `${name}: ${what}, server CPU`,
        medianOf(rounds.map(({ cpuMsPerEdit }) => cpuMsPerEdit)),
        'ms',
      ),
    ]
  })
  const ratios = others.flatMap((theirs, index) => {
    const to = `onyx-sync to ${running[index + 1]?.contender.name}`
    const ratiosOf = (of: 'msPerEdit' | 'cpuMsPerEdit') =>
      own.map((round, at) => round[of] / (theirs[at] as Round)[of])
    return [
      ratio(`${what}: time per edit, ${to}`, ratiosOf('msPerEdit')),
      ratio(`${what}: server CPU per edit, ${to}`, ratiosOf('cpuMsPerEdit')),
    ]
  })
  return [...figures, ...ratios]
}

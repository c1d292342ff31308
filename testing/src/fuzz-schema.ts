import { applyUpdate } from '@onyx-sync/shared'
import * as Y from 'yjs'
import { drawDeviceSettings } from './device-settings.js'
import { comeToRest } from './run-history.js'
import { createSeededRandom, type SeededRandom } from './seeded-random.js'
import { createWorld, type World } from './world.js'

/** What an app's own document schema is put through. */
export interface FuzzSchemaOptions {
  /** Histories to run. @default 100 */
  readonly seeds?: number
  /** First seed. @default 1 */
  readonly from?: number
  /** Steps per history: edits, cuts, crashes, pauses. @default 60 */
  readonly steps?: number
  /** Devices that edit the one chat. @default 3 */
  readonly devices?: number
  /**
   * What your app does to a chat, by name. Each runs in one transaction on one device's copy, which may lag
   * behind the others. Draw from `random` only, so that a seed repeats.
   */
  readonly operations: Readonly<Record<string, (doc: Y.Doc, random: SeededRandom) => void>>
  /** What must hold in every copy once all devices have synced: throw, or return what is wrong. */
  check(doc: Y.Doc): string | undefined
}

/** A seed that broke something. */
export interface SchemaFailure {
  readonly seed: number
  readonly problem: string
}

const CHAT = 'fuzzed'

/**
 * Runs an app's own operations on devices that go offline, crash and come back, and checks that all copies
 * end up the same and valid. @returns what failed, empty when nothing did
 */
export async function fuzzSchema(options: FuzzSchemaOptions): Promise<SchemaFailure[]> {
  const { from = 1, seeds = 100 } = options
  const failures: SchemaFailure[] = []
  for (let seed = from; seed < from + seeds; seed++) {
    const problem = await runSeed(seed, options)
    if (problem !== undefined) failures.push({ seed, problem })
  }
  return failures
}

async function runSeed(seed: number, options: FuzzSchemaOptions): Promise<string | undefined> {
  const random = createSeededRandom(`${seed}/schema`)
  const world = createWorld({ seed: String(seed), settings: drawDeviceSettings(random.fork('settings')) })
  for (let index = 0; index < (options.devices ?? 3); index++) world.addDevice(`device ${index + 1}`, 'you')
  world.startServer()
  for (const device of world.devices) device.start()
  await world.advance(2_000)
  await Promise.all([world.devices[0]?.client?.chats.create({ id: CHAT }), world.advance(2_000)])
  for (let step = 0; step < (options.steps ?? 60); step++) await runStep(world, random, options)
  const stuck = await comeToRest(world)
  return stuck[0] ?? checkCopies(world, options)
}

async function runStep(world: World, random: SeededRandom, options: FuzzSchemaOptions): Promise<void> {
  const device = random.pick(world.devices)
  const draw = random.next()
  if (draw < 0.1) world.network.setOnline(device.name, random.chance(0.5))
  else if (draw < 0.15) world.network.cut(device.name)
  else if (draw < 0.2) {
    device.crash()
    world.clock.setTimeout(() => device.start(), 1_000)
  } else if (device.client !== undefined) {
    const name = random.pick(Object.keys(options.operations))
    const operation = options.operations[name] as (doc: Y.Doc, random: SeededRandom) => void
    const opening = device.client.chats.open(CHAT)
    opening.then(
      ({ doc, release }) => {
        doc.transact(() => operation(doc, random))
        release()
      },
      // The chat has not come to this device yet.
      () => {},
    )
  }
  await world.advance(random.below(random.chance(0.2) ? 5_000 : 300))
}

async function checkCopies(world: World, options: FuzzSchemaOptions): Promise<string | undefined> {
  let first: string | undefined
  for (const device of world.devices) {
    const doc = new Y.Doc()
    for (const { update } of await device.disk.contents.loadUpdates(`30001:${device.pubkey}:${CHAT}`)) {
      applyUpdate(doc, update)
    }
    const content = JSON.stringify([
      doc.getArray('messages').toJSON(),
      sorted(doc.getMap('metadata').toJSON()),
    ])
    first ??= content
    if (content !== first) return `${device.name} differs from ${world.devices[0]?.name}`
    try {
      const problem = options.check(doc)
      if (problem !== undefined) return `${device.name}: ${problem}`
    } catch (error) {
      return `${device.name}: ${String(error)}`
    }
  }
  return undefined
}

function sorted(record: Record<string, unknown>): unknown {
  return Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1))
}

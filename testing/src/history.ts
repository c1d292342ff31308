import type { HoldChoice } from '@onyx-sync/client'
import type { SeededRandom } from './seeded-random.js'

/** One thing that happens in a history. Each is complete in itself, so that any may be left out. */
export type Action =
  | {
      readonly type: (typeof DRAWN)[number]
      readonly device: string
      /** What in particular, 0 to 1. */
      readonly draw: number
    }
  | { readonly type: 'consent'; readonly device: string; readonly isGiven: boolean }
  | { readonly type: 'move'; readonly device: string; readonly isElsewhere: boolean }
  | { readonly type: 'hold'; readonly device: string; readonly choice: HoldChoice }
  | { readonly type: 'set-back'; readonly device: string; readonly from: string }
  | { readonly type: (typeof PLAIN)[number]; readonly device: string }
  | { readonly type: 'skew'; readonly device: string; readonly ms: number }
  | { readonly type: 'signer'; readonly device: string; readonly isBroken: boolean }
  | { readonly type: 'disk'; readonly device: string | 'server'; readonly refuse: number }
  | { readonly type: 'crash-server' | 'start-server' | 'restart-server' | 'replace-server' }
  | { readonly type: 'restore-server'; readonly draw: number }
  | { readonly type: 'wait'; readonly ms: number }

const DRAWN = [
  ...(['new-chat', 'send', 'insert', 'delete', 'rename', 'set', 'share', 'delete-chat'] as const),
  ...(['contribute', 'revoke', 'evict', 'open', 'stream', 'show', 'undo', 'mark', 'import'] as const),
] as const
const PLAIN = ['close', 'crash', 'offline', 'online', 'cut', 'half-open', 'wake', 'back-up'] as const

/**
 * What a history is about besides the usual: a device that holds some chats only, chats that are deleted for good, messages that
 * are contributed as training data, devices that move between the server and a plain relay, apps that stream replies, show chats,
 * undo, and are closed, devices that are set back to a backup or get that of another one, servers that are set back or replaced.
 */
export const THEMES = [
  'holding',
  'deleting',
  'contributing',
  'moving',
  'using',
  'copying',
  'resetting',
] as const
export type Theme = (typeof THEMES)[number]

/** Histories of the usual, of one theme each, and of several at once. */
export const SCENARIOS = ['standard', ...THEMES, 'mixed'] as const
export type Scenario = (typeof SCENARIOS)[number]

/** Who takes part: device names by account. */
export type Cast = Readonly<Record<string, readonly string[]>>

/** The cast of the standard history: one person with three devices, another with one, chats shared between them. */
export const STANDARD_CAST: Cast = { ada: ['phone', 'laptop', 'tablet'], ben: ['desk'] }

const YEAR_MS = 365 * 24 * 3_600_000
const HOUR_MS = 3_600_000

/** What may happen, with how often it does. */
export interface HistoryWeights {
  readonly edits: number
  readonly network: number
  readonly crashes: number
  readonly disks: number
  readonly clocks: number
  /** A server that is set back or replaced. */
  readonly resets: number
}

/** Everything, in proportions that let histories get somewhere between two disasters. */
export const STANDARD_WEIGHTS: HistoryWeights = {
  edits: 60,
  network: 18,
  crashes: 8,
  disks: 4,
  clocks: 4,
  resets: 1,
}

/** A history from a source of randomness: `length` actions with pauses between them. */
export function createHistory(
  random: SeededRandom,
  length: number,
  cast: Cast = STANDARD_CAST,
  weights: HistoryWeights = STANDARD_WEIGHTS,
): Action[] {
  const devices = Object.values(cast).flat()
  const makers: readonly (readonly [number, () => Action])[] = [
    [weights.edits, () => createEdit(random, random.pick(devices))],
    [
      weights.network,
      () => ({
        type: random.pick(['offline', 'online', 'online', 'cut', 'half-open', 'wake'] as const),
        device: random.pick(devices),
      }),
    ],
    [weights.crashes, () => createCrash(random, random.pick(devices))],
    [
      weights.disks,
      () => ({
        type: 'disk',
        device: random.pick([...devices, 'server', 'server']),
        refuse: random.pick([0, 0, 0.3, 0.3, 1]),
      }),
    ],
    [weights.clocks, () => createClockAction(random, random.pick(devices))],
    [
      weights.resets,
      () =>
        random.chance(0.5) ? { type: 'replace-server' } : { type: 'restore-server', draw: random.next() },
    ],
  ]
  const total = makers.reduce((sum, [weight]) => sum + weight, 0)
  // Without a chat most edits find nothing to change.
  const actions: Action[] = [
    { type: 'new-chat', device: random.pick(devices), draw: random.next() },
    { type: 'wait', ms: random.below(1_000) },
  ]
  while (actions.length < length) {
    let draw = random.next() * total
    const maker = makers.find(([weight]) => {
      draw -= weight
      return draw < 0
    })
    actions.push(maker?.[1]() ?? { type: 'wait', ms: 0 })
    if (random.chance(0.6))
      actions.push({ type: 'wait', ms: random.below(random.chance(0.2) ? 20_000 : 400) })
  }
  return actions
}

/** How often each kind of edit is made: few chats, so that several devices meet in one. */
const EDITS = [
  ...many(2, 'new-chat'),
  ...many(10, 'send'),
  ...many(9, 'insert'),
  ...many(5, 'delete'),
  ...many(2, 'rename'),
  ...many(3, 'set'),
  ...many(2, 'share'),
] as const

/** A list of the same item. */
export function many<T extends string>(count: number, item: T): T[] {
  return new Array<T>(count).fill(item)
}

function createEdit(random: SeededRandom, device: string): Action {
  return { type: random.pick(EDITS), device, draw: random.next() }
}

function createCrash(random: SeededRandom, device: string): Action {
  if (random.chance(0.6)) return { type: 'crash', device }
  return { type: random.chance(0.4) ? 'crash-server' : 'start-server' }
}

function createClockAction(random: SeededRandom, device: string): Action {
  if (random.chance(0.3)) return { type: 'signer', device, isBroken: random.chance(0.5) }
  return { type: 'skew', device, ms: random.pick([0, 0, HOUR_MS, -YEAR_MS, -60_000, 300_000]) }
}

/** Names of the devices that do something, in the order in which they first do. */
export function devicesIn(actions: readonly Action[]): string[] {
  const names = new Set(actions.flatMap((action) => ('device' in action ? [action.device] : [])))
  return [...names].filter((name) => name !== 'server')
}

/** An action as one line of a trace. */
export function formatAction(action: Action): string {
  const { type, ...rest } = action
  const details = Object.entries(rest).map(
    ([key, value]) =>
      `${key}=${typeof value === 'number' ? Number(value.toFixed(4)) : typeof value === 'object' ? JSON.stringify(value) : value}`,
  )
  return [type, ...details].join(' ')
}

import { withContributing } from './contribute-history.js'
import { withCopying } from './copy-history.js'
import { withDeleting } from './delete-history.js'
import {
  type Action,
  createHistory,
  type HistoryWeights,
  type Scenario,
  STANDARD_WEIGHTS,
  THEMES,
  type Theme,
} from './history.js'
import { withHolding } from './hold-history.js'
import { withMoving } from './move-history.js'
import { withResets } from './reset-history.js'
import { type HistoryOptions, runHistory } from './run-history.js'
import { createSeededRandom, type SeededRandom } from './seeded-random.js'
import { withUsing } from './use-history.js'
import type { WorldFault } from './world.js'

/** A seed whose history broke a promise. */
export interface Failure {
  readonly seed: number
  readonly problems: readonly string[]
}

export interface SimulationOptions {
  /** First seed. @default 1 */
  readonly from?: number
  /** How many seeds. */
  readonly seeds: number
  /** Actions per history. @default 80 */
  readonly length?: number
  readonly weights?: HistoryWeights
  readonly fault?: WorldFault
  /** As in the options of a history. */
  readonly limits?: HistoryOptions['limits']
  /** As in the options of a history. */
  readonly maxTextLength?: HistoryOptions['maxTextLength']
  /** What the histories are about. @default the fault's, or 'standard' */
  readonly scenario?: Scenario
  /** Stop at the first failure. @default false */
  readonly stopAtFirst?: boolean
  /** Called after each seed. */
  onProgress?(progress: { readonly done: number; readonly failed: number; readonly events: number }): void
}

export interface SimulationResult {
  /** Seeds that were run. */
  readonly done: number
  readonly failures: readonly Failure[]
  /** Timers fired and messages carried, all seeds together. */
  readonly events: number
}

/** Actions per history where nothing else is said. */
export const STANDARD_LENGTH = 80

/** The history of a seed: always the same. */
export function historyOf(seed: number, length = STANDARD_LENGTH, weights = STANDARD_WEIGHTS): Action[] {
  return createHistory(createSeededRandom(`${seed}/history`), length, undefined, weights)
}

/** What a history of a scenario is about. */
export function themesOf(scenario: Scenario, seed: number): readonly Theme[] {
  if (scenario === 'standard') return []
  if (scenario !== 'mixed') return [scenario]
  const random = createSeededRandom(`${seed}/mixed`)
  const drawn = THEMES.filter(() => random.chance(0.5))
  return drawn.length > 1 ? drawn : THEMES
}

const WEIGHTS_WITHOUT_RESETS: HistoryWeights = { ...STANDARD_WEIGHTS, resets: 0 }

const MAKERS: Readonly<Record<Theme, (actions: readonly Action[], random: SeededRandom) => Action[]>> = {
  holding: withHolding,
  deleting: withDeleting,
  contributing: withContributing,
  moving: withMoving,
  using: withUsing,
  copying: withCopying,
  resetting: withResets,
}

/** The history of a seed in a scenario. `weights` are for the standard one. */
export function scenarioHistory(
  scenario: Scenario,
  seed: number,
  length = STANDARD_LENGTH,
  weights = STANDARD_WEIGHTS,
): Action[] {
  const themes = themesOf(scenario, seed)
  // What a device has let go of, or lost with its disk, it couldn't bring back to a server that was set back. Where it is,
  // for its theme's sake, less is looked at in the end.
  const isKept = !themes.includes('holding') && !themes.includes('copying')
  const usual = scenario === 'standard' ? weights : isKept ? STANDARD_WEIGHTS : WEIGHTS_WITHOUT_RESETS
  return themes.reduce(
    (actions, theme) => MAKERS[theme](actions, createSeededRandom(`${seed}/${theme}`)),
    historyOf(seed, length, usual),
  )
}

/** Runs the histories of many seeds. */
export async function simulate(options: SimulationOptions): Promise<SimulationResult> {
  const { from = 1, seeds, fault, limits, maxTextLength } = options
  const scenario = options.scenario ?? fault?.scenario ?? 'standard'
  const failures: Failure[] = []
  let events = 0
  let done = 0
  for (let seed = from; seed < from + seeds; seed++) {
    const actions = scenarioHistory(scenario, seed, options.length, options.weights)
    const result = await runHistory({
      seed: String(seed),
      actions,
      themes: themesOf(scenario, seed),
      ...(fault === undefined ? {} : { fault }),
      ...(limits === undefined ? {} : { limits }),
      ...(maxTextLength === undefined ? {} : { maxTextLength }),
    })
    done++
    events += result.events
    if (result.problems.length > 0) failures.push({ seed, problems: result.problems })
    options.onProgress?.({ done, failed: failures.length, events })
    if (failures.length > 0 && options.stopAtFirst === true) break
  }
  return { done, failures, events }
}

/** A history that fails, and with what. */
export interface Shrunk {
  /** Indices into the seed's history that are left; together they still fail. */
  readonly keep: readonly number[]
  readonly problems: readonly string[]
  readonly runs: number
}

/** The same with some actions left out of a seed's history. */
export function runKept(
  seed: number,
  length: number,
  keep: readonly number[],
  trace?: (line: string) => void,
  scenario: Scenario = 'standard',
) {
  const all = scenarioHistory(scenario, seed, length)
  const actions = keep.map((index) => all[index]).filter((action) => action !== undefined)
  const themes = themesOf(scenario, seed)
  return runHistory({ seed: String(seed), actions, themes, ...(trace === undefined ? {} : { trace }) })
}

/**
 * Leaves out of a failing history what the failure does not need: halves first, then ever smaller pieces, as
 * in Zeller's delta debugging. Stops after `maxRuns` histories at the latest.
 */
export async function shrink(
  seed: number,
  length: number,
  maxRuns = 500,
  scenario: Scenario = 'standard',
): Promise<Shrunk> {
  const all = scenarioHistory(scenario, seed, length)
  let keep = all.map((_, index) => index)
  let problems = (await runKept(seed, length, keep, undefined, scenario)).problems
  let runs = 1
  for (let size = Math.ceil(keep.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let start = 0; start < keep.length && runs < maxRuns; ) {
      const candidate = [...keep.slice(0, start), ...keep.slice(start + size)]
      const result = await runKept(seed, length, candidate, undefined, scenario)
      runs++
      if (result.problems.length > 0) {
        keep = candidate
        problems = result.problems
      } else start += size
    }
  }
  return { keep, problems, runs }
}

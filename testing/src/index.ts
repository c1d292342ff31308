export { checkWorld, type WorldChecks } from './checks.js'
export { KNOWN_FAULTS } from './faults.js'
export { type FuzzSchemaOptions, fuzzSchema, type SchemaFailure } from './fuzz-schema.js'
export {
  type Action,
  type Cast,
  createHistory,
  formatAction,
  type HistoryWeights,
  SCENARIOS,
  type Scenario,
  STANDARD_CAST,
  STANDARD_WEIGHTS,
  THEMES,
  type Theme,
} from './history.js'
export { createReferenceModel, type ReferenceModel } from './model.js'
export { type HistoryOptions, type HistoryResult, runHistory } from './run-history.js'
export { createSeededRandom, type SeededRandom } from './seeded-random.js'
export {
  type Failure,
  historyOf,
  type Shrunk,
  type SimulationOptions,
  type SimulationResult,
  STANDARD_LENGTH,
  shrink,
  simulate,
} from './simulate.js'
export { createVirtualClock, type VirtualClock } from './virtual-clock.js'
export { createWorld, type World, type WorldDevice, type WorldFault, type WorldOptions } from './world.js'

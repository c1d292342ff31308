/** fast-check, with fewer runs of each property: a VM that interprets takes many times as long as Node. */
import * as fc from 'fast-check'

export * from 'fast-check'

const MAX_RUNS = 10

/** Where a test fixes the seed, its number of runs belongs to that. */
export const assert: typeof fc.assert = (property, { numRuns = 100, ...rest } = {}) =>
  fc.assert(property, {
    ...rest,
    numRuns: rest.seed === undefined ? Math.min(MAX_RUNS, numRuns) : numRuns,
  } as never) as never

// biome-ignore lint/style/noDefaultExport: fast-check has one, and tests import it.
export default { ...fc, assert }

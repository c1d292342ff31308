import type { EventLog, Merger } from '@onyx-sync/server'
import { DEFAULT_LIMITS, type Logger, silentLogger, systemClock } from '@onyx-sync/shared'
import { createCheckpoints } from '../../server/src/core/checkpoints.js'
import { createCounters } from '../../server/src/core/counters.js'
import { createIngest, type Ingest, type PublishedCommit } from '../../server/src/core/ingest.js'
import { createLocalMerger } from '../../server/src/core/local-merger.js'
import { createMergedStates } from '../../server/src/core/merged-state.js'
import { createQuotas } from '../../server/src/core/quotas.js'
import { createReplacements } from '../../server/src/core/replacements.js'

/** The one writer of a log, as a relay puts it together. */
export function ingestOf(
  log: EventLog,
  publish: (commit: PublishedCommit) => void = () => {},
  logger: Logger = silentLogger,
  merger: Merger = createLocalMerger(),
  onUntold: () => void = () => {},
): Ingest {
  const states = createMergedStates({ log, logger, merger })
  return createIngest({
    log,
    logger,
    limits: DEFAULT_LIMITS,
    whyNot: () => undefined,
    quotas: createQuotas({ log, limits: DEFAULT_LIMITS, clock: systemClock }),
    checkpoints: createCheckpoints({ log, states, merger, logger }),
    replacements: createReplacements(),
    merger,
    counters: createCounters(),
    epochId: '0123456789abcdef',
    publish,
    onUntold,
  })
}

import { pathToFileURL } from 'node:url'
import { silentLogger } from '@onyx-sync/shared'
import { describe, expect, it } from 'vitest'
import { createWorkerMerger } from '../../server/src/adapters/worker-merger.js'
import { createLocalMerger } from '../../server/src/core/local-merger.js'
import { afterThisTest } from '../support/after-test.js'
import { describeMerger } from './merger-contract.js'

const SCRIPT = new URL('../../server/dist/merge-worker.js', import.meta.url)

describeMerger('in this thread', createLocalMerger)
describeMerger('in a thread of its own', () =>
  createWorkerMerger({ script: pathToFileURL(SCRIPT.pathname), logger: silentLogger, maxSeconds: 60 }),
)

describe('a merging thread that fails', () => {
  /** A real thread that ends at `summary`, never answers `join`, and answers everything else with its name. */
  const FAILING = new URL(
    `data:text/javascript,${encodeURIComponent(`
      import { parentPort } from 'node:worker_threads'
      parentPort.postMessage('ready')
      parentPort.on('message', ({ id, name }) => {
        if (name === 'summary') process.exit(3)
        if (name === 'join') for (;;);
        parentPort.postMessage({ id, value: name })
      })`)}`,
  )
  function failing(maxSeconds: number) {
    let lost = 0
    const merger = createWorkerMerger({
      ...{ script: FAILING, logger: silentLogger, maxSeconds },
      onLost: () => lost++,
    })
    afterThisTest(() => merger.close())
    return { merger, lost: () => lost }
  }
  const outcome = (asked: Promise<unknown>) =>
    asked.then(
      (value) => value,
      (error: { reason?: string }) => error.reason,
    )

  it('[MRG2] one that ends is replaced; what waited behind is told apart from what was under way', async () => {
    const { merger, lost } = failing(60)
    const asked = [merger.run('drop', 1), merger.run('summary', 1, 'a'), merger.run('drop', 2)].map(outcome)
    expect(await Promise.all(asked)).toEqual(['drop', 'crash', 'bystander'])
    expect([merger.generation, lost()]).toEqual([1, 1])
    expect(await outcome(merger.run('drop', 3))).toBe('drop')
  })

  it('[MRG2] one that takes too long is ended and replaced', async () => {
    const { merger, lost } = failing(0.2)
    const asked = [merger.run('join', 1), merger.run('drop', 2)].map(outcome)
    expect(await Promise.all(asked)).toEqual(['time', 'bystander'])
    expect([merger.generation, lost()]).toEqual([1, 1])
    expect(await outcome(merger.run('drop', 3))).toBe('drop')
  })

  it('[MRG2] a server that closes waits for a thread that never answers no longer than for its time', async () => {
    const { merger } = failing(0.2)
    const asked = outcome(merger.run('join', 1))
    await merger.close()
    expect(await asked).toBe('time')
  })
})

import { describe, expect, it } from 'vitest'
import { readCorpus } from '../fuzz/corpus.js'
import { fuzz } from '../fuzz/engine.js'
import { inputOf, type Target, textOf } from '../fuzz/target.js'
import { TARGETS } from '../fuzz/targets/index.js'

const CORPUS = new URL('../fuzz/corpus', import.meta.url).pathname
const INPUTS = 2_000

/** A part of a system that forgets one thing. */
function forgetful(fault: (text: string) => void): Target {
  const seeds = () => [inputOf('{"kind":1,"tags":[["d","x"]]}')]
  return {
    name: 'forgetful',
    summary: '',
    kind: 'json',
    modules: [],
    seeds,
    run: (input) => fault(textOf(input)),
  }
}

describe('fuzzing', () => {
  it.each(TARGETS)('[FUZ1] $name ends for every input with an answer', async (target) => {
    const inputs = Math.ceil((INPUTS * (target.percent ?? 100)) / 100)
    const { findings, inputs: run } = await fuzz(target, {
      corpus: readCorpus(CORPUS, target.name),
      inputs,
      seed: 20_261_128,
    })
    // What was only slow hangs on the machine, and is for the long run.
    expect(findings.filter(({ kind }) => kind === 'escape')).toEqual([])
    expect(run).toBeGreaterThanOrEqual(inputs)
  })

  it('[FUZ2] each target has inputs in the corpus', () => {
    const without = TARGETS.filter(({ name }) => readCorpus(CORPUS, name).length === 0)
    expect(without.map(({ name }) => name)).toEqual([])
  })

  it('[FUZ3] sees a fault, cuts its input down, and finds it again with the same seed', async () => {
    const target = forgetful((text) => {
      if (text.includes('null')) throw new Error('an escape')
    })
    const options = { corpus: [], inputs: 500, seed: 7 }
    const { findings } = await fuzz(target, options)
    expect(findings.map(({ kind }) => kind)).toEqual(['escape'])
    expect(textOf(findings[0]?.input ?? new Uint8Array())).toBe('null')
    expect((await fuzz(target, options)).findings).toEqual(findings)
  })
})

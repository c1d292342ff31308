import type { CoverageMeter } from './coverage.js'
import { MAX_INPUT_BYTES, MAX_SOURCE_BYTES, mutateBytes } from './mutate-bytes.js'
import { mutateJson, mutateText } from './mutate-json.js'
import { type Chance, createChance, seedFor } from './random.js'
import { inputOf, type Target, textOf } from './target.js'

/** An input that must not happen. */
export interface Finding {
  readonly kind: 'escape' | 'slow' | 'memory'
  /** The error's first lines, or what was measured. */
  readonly message: string
  /** Cut down as far as it still shows the same; empty for `memory`, which no single input shows. */
  readonly input: Uint8Array
}

export interface FuzzOptions {
  /** Inputs that are there already, run first. */
  readonly corpus: readonly Uint8Array[]
  /** Fresh inputs to run. */
  readonly inputs: number
  readonly seed: number
  /** Ends earlier at this time, by the process's clock. Milliseconds. @default never */
  readonly untilMs?: number | undefined
  /** Guides the choice of inputs; without one, they are drawn from the corpus only. */
  readonly meter?: CoverageMeter | undefined
  /** Garbage is collected before memory is measured. @default memory isn't measured */
  readonly collectGarbage?: (() => void) | undefined
  /** Told now and then of how many inputs have run. */
  readonly progress?: ((inputs: number) => void) | undefined
}

export interface FuzzResult {
  readonly target: string
  /** Inputs that ran, those of the corpus included; repetitions to find out what one did are not counted. */
  readonly inputs: number
  readonly seconds: number
  /** Share of the modules' code that ran, 0 to 1; undefined without a meter. */
  readonly coverage: number | undefined
  /** Inputs that brought new code, fewest first; those of the corpus included. */
  readonly interesting: readonly Uint8Array[]
  readonly findings: readonly Finding[]
  /** The most of a processor that one input took, as far as it is above 2. Milliseconds. */
  readonly slowestMs: number
  readonly slowestInput: Uint8Array
  /** How far the heap was above its size after the first inputs, at most. Bytes. */
  readonly heapGrowthBytes: number
}

/** One input may take this much of a processor, in the quickest of five tries. Milliseconds. */
export const MAX_INPUT_MS = 50
const TRIES = 5
/** What is quicker than this is not looked at again. Milliseconds. */
const MIN_SLOW_MS = 2
/** Each refusal makes an error: deep stacks would be most of the work. */
const STACK_FRAMES = 4
/** The heap may be this far above its size after the first inputs. Bytes. */
const MAX_HEAP_GROWTH = 32 << 20
const HEAP_EVERY = 50_000
const MAX_FINDINGS = 20
const MIN_BATCH = 64
const MAX_BATCH = 8_192
const MINIMIZE_TRIES = 2_000

/** Runs a target on inputs that follow from the seed and from what earlier ones reached. */
export async function fuzz(target: Target, options: FuzzOptions): Promise<FuzzResult> {
  const { meter } = options
  const stackFrames = Error.stackTraceLimit
  Error.stackTraceLimit = STACK_FRAMES
  const chance = createChance(seedFor(options.seed, target.name))
  const pool: Uint8Array[] = []
  const interesting: Uint8Array[] = []
  const findings = new Map<string, Finding>()
  const startedMs = performance.now()
  let total = 0
  let slowestMs = 0
  let slowestInput: Uint8Array = new Uint8Array()
  let heapBase: number | undefined
  let heapGrowthBytes = 0
  let nextHeapLook = HEAP_EVERY

  function keep(input: Uint8Array): void {
    interesting.push(input)
    if (input.byteLength <= MAX_SOURCE_BYTES) pool.push(input)
  }

  async function runOne(input: Uint8Array): Promise<void> {
    const begin = performance.now()
    try {
      const ending = target.run(input)
      if (ending !== undefined) await ending
    } catch (error) {
      await note('escape', error, input)
    }
    const took = performance.now() - begin
    if (took <= slowestMs || took < MIN_SLOW_MS) return
    // The first tries compile, and other processes take their time: only what is slow each time counts.
    const best = await bestTime(target, input, took)
    if (best <= slowestMs) return
    slowestMs = best
    slowestInput = input
    if (best > MAX_INPUT_MS) await note('slow', new Error(`${best.toFixed(0)} ms`), input)
  }

  async function note(kind: Finding['kind'], error: unknown, input: Uint8Array): Promise<void> {
    const message = describe(error)
    const key = kind === 'slow' ? kind : `${kind} ${placeOf(error)}`
    if (findings.has(key) || findings.size >= MAX_FINDINGS) return
    findings.set(key, { kind, message, input })
    const small = kind === 'escape' ? await minimize(target, input, placeOf(error)) : input
    findings.set(key, { kind, message, input: small })
  }

  /** How far the heap is above its size when this was first called. */
  function heapGrowth(collectGarbage: () => void): number {
    collectGarbage()
    const { heapUsed, external } = process.memoryUsage()
    heapBase ??= heapUsed + external
    return heapUsed + external - heapBase
  }

  async function watchHeap(): Promise<void> {
    const { collectGarbage } = options
    if (collectGarbage === undefined || total < nextHeapLook) return
    nextHeapLook = total + HEAP_EVERY
    let growth = heapGrowth(collectGarbage)
    for (let tries = 1; growth > MAX_HEAP_GROWTH && tries < TRIES; tries++) {
      // The memory behind buffers is given back by other threads, a while after the collection.
      await new Promise((resolve) => setTimeout(resolve, 20))
      growth = heapGrowth(collectGarbage)
    }
    heapGrowthBytes = Math.max(heapGrowthBytes, growth)
    if (heapGrowthBytes <= MAX_HEAP_GROWTH) return
    const message = `the heap grew by ${heapGrowthBytes} bytes`
    findings.set('memory', { kind: 'memory', message, input: new Uint8Array() })
  }

  /** Finds out which inputs of a batch brought new code, by running halves of it again. */
  async function attribute(inputs: readonly Uint8Array[]): Promise<void> {
    if (meter === undefined || inputs.length === 0) return
    meter.discard()
    for (const input of inputs) await repeat(target, input)
    if (meter.look() === 0) return
    if (inputs.length === 1) {
      meter.commit()
      keep(inputs[0] as Uint8Array)
      return
    }
    const middle = inputs.length >> 1
    await attribute(inputs.slice(0, middle))
    await attribute(inputs.slice(middle))
  }

  const first = [...target.seeds(), ...options.corpus]
  meter?.look()
  meter?.discard()
  for (const input of first) {
    await runOne(input)
    total++
    if (meter === undefined) keep(input)
    else if (meter.look() > 0) {
      meter.commit()
      keep(input)
    }
  }
  if (pool.length === 0) pool.push(new Uint8Array())
  let size = meter === undefined ? 1_024 : MIN_BATCH
  while (total - first.length < options.inputs && performance.now() < (options.untilMs ?? Infinity)) {
    const count = Math.min(size, options.inputs - (total - first.length))
    const batch: Uint8Array[] = []
    while (batch.length < count) batch.push(...mutate(target, pool, chance))
    batch.length = count
    for (const input of batch) await runOne(input)
    total += count
    if (meter !== undefined) {
      if (meter.look() > 0) {
        await attribute(batch)
        // What doesn't show again hangs on more than the input: it must not be searched for each time.
        meter.commit()
        size = Math.max(MIN_BATCH, size >> 1)
      } else size = Math.min(MAX_BATCH, size * 2)
    }
    await watchHeap()
    options.progress?.(total)
    if (findings.size >= MAX_FINDINGS) break
  }
  Error.stackTraceLimit = stackFrames
  return {
    target: target.name,
    inputs: total,
    seconds: (performance.now() - startedMs) / 1000,
    coverage: meter?.share(),
    interesting,
    findings: [...findings.values()],
    slowestMs,
    slowestInput,
    heapGrowthBytes,
  }
}

/** Copies that are made of one input at once. */
const VARIANTS = 6

function mutate(target: Target, pool: readonly Uint8Array[], chance: Chance): Uint8Array[] {
  // New ones more often: they stand where the unknown begins.
  const recent = Math.min(pool.length, 16)
  const from = chance.once(2) ? pool.length - recent : 0
  const input = pool[from + chance.below(pool.length - from)] as Uint8Array
  const other = chance.pick(pool)
  const variants: Uint8Array[] = []
  if (target.kind === 'json') {
    variants.push(...mutateJson(textOf(input), textOf(other), chance, VARIANTS).map(inputOf))
  } else {
    let variant = input
    for (let times = 1 + chance.below(VARIANTS); times > 0; times--) {
      variant =
        target.kind === 'bytes'
          ? mutateBytes(variant, other, chance)
          : inputOf(mutateText(textOf(variant), textOf(other), chance))
      variants.push(variant)
    }
  }
  return variants.map((variant) =>
    variant.byteLength > MAX_INPUT_BYTES ? variant.slice(0, MAX_INPUT_BYTES) : variant,
  )
}

async function repeat(target: Target, input: Uint8Array): Promise<unknown> {
  try {
    await target.run(input)
    return undefined
  } catch (error) {
    return error
  }
}

async function bestTime(target: Target, input: Uint8Array, tookMs: number): Promise<number> {
  let best = tookMs
  for (let tries = 1; tries < TRIES; tries++) {
    const begin = process.cpuUsage()
    await repeat(target, input)
    const { user, system } = process.cpuUsage(begin)
    best = Math.min(best, (user + system) / 1000)
  }
  return best
}

/** The first lines of an error, without what changes from input to input. */
export function describe(error: unknown): string {
  const text = error instanceof Error ? (error.stack ?? String(error)) : String(error)
  return text.split('\n').slice(0, 4).join('\n').slice(0, 600)
}

/** What tells one fault from another: its words without numbers, and where it was thrown. */
function placeOf(error: unknown): string {
  const [words = '', frame = ''] = describe(error).split('\n')
  return `${words.slice(0, 80).replaceAll(/[0-9]+/g, '#')} ${frame}`
}

/** Leaves out of an input what it does not need to fail in the same way. */
async function minimize(target: Target, input: Uint8Array, place: string): Promise<Uint8Array> {
  let smallest = input
  let tries = 0
  for (let size = input.byteLength >> 1; size >= 1; size >>= 1) {
    for (let at = 0; at < smallest.byteLength && tries < MINIMIZE_TRIES; tries++) {
      const candidate = new Uint8Array(smallest.byteLength - Math.min(size, smallest.byteLength - at))
      candidate.set(smallest.subarray(0, at))
      candidate.set(smallest.subarray(at + size), at)
      const error = await repeat(target, candidate)
      if (error !== undefined && placeOf(error) === place) smallest = candidate
      else at += size
    }
  }
  return smallest
}

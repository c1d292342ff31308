import { Session } from 'node:inspector'

/** Tells which code of some modules has run, by V8's own counters. */
export interface CoverageMeter {
  /** Characters of the modules that ran since the last look and, as far as was committed, never before. */
  look(): number
  /** What the last looks saw counts as seen from now on. */
  commit(): void
  /** Leaves out what the last looks saw. */
  discard(): void
  /** Share of the modules' code that has run, 0 to 1; code outside functions left out. */
  share(): number
}

interface Range {
  readonly startOffset: number
  readonly endOffset: number
  readonly count: number
}

interface Script {
  readonly url: string
  readonly functions: readonly { readonly functionName: string; readonly ranges: readonly Range[] }[]
}

/** What is known of a module, by character. */
interface Seen {
  /** Whether it lies in a function. */
  readonly inside: Uint8Array
  /** Whether it has run. */
  readonly ran: Uint8Array
  /** Whether the last looks saw it run for the first time. */
  readonly fresh: Uint8Array
}

function lengthOf({ functions }: Script): number {
  return Math.max(0, ...functions.flatMap(({ ranges }) => ranges.map(({ endOffset }) => endOffset)))
}

/** Counts what runs in this process from its start on. */
export interface Coverage {
  /** A meter for all modules whose URL ends with one of these. They must have been loaded since the start. */
  meter(modules: readonly string[]): CoverageMeter
  stop(): void
}

/** Begins to count. Modules that are loaded later are known with all their functions. */
export function startCoverage(): Coverage {
  const session = new Session()
  session.connect()
  const loaded = new Map<string, Script>()

  function post<T>(method: string, parameters: object = {}): T {
    let answer: T | undefined
    // The session answers before `post` returns.
    session.post(method, parameters, (error: Error | null, result?: unknown) => {
      if (error !== null) throw error
      answer = result as T
    })
    return answer as T
  }

  function take(): Script[] {
    const { result } = post<{ result: Script[] }>('Profiler.takePreciseCoverage')
    // The first time a module is told of, it is with all its functions.
    for (const script of result) if (!loaded.has(script.url)) loaded.set(script.url, script)
    return result
  }

  post('Profiler.enable')
  post('Profiler.startPreciseCoverage', { callCount: true, detailed: true })
  return {
    meter(modules) {
      take()
      const isMeant = ({ url }: Script): boolean => modules.some((module) => url.endsWith(module))
      return createMeter([...loaded.values()].filter(isMeant), () => take().filter(isMeant))
    },
    stop() {
      post('Profiler.stopPreciseCoverage')
      session.disconnect()
    },
  }
}

/** Inner ranges come behind those around them, and say more exactly what ran. */
function paint({ functions }: Script, painted: Uint8Array): void {
  for (const { ranges } of functions) {
    for (const { startOffset, endOffset, count } of ranges) {
      painted.fill(count > 0 ? 1 : 0, startOffset, endOffset)
    }
  }
}

/** By character, whether it lies in a function: what stands outside ran when the module was loaded. */
function insideFunctions({ functions }: Script, length: number): Uint8Array {
  const inside = new Uint8Array(length)
  for (const { functionName, ranges } of functions) {
    const [whole] = ranges
    if (whole === undefined || (functionName === '' && whole.startOffset === 0)) continue
    inside.fill(1, whole.startOffset, whole.endOffset)
  }
  return inside
}

function createMeter(scripts: readonly Script[], take: () => Script[]): CoverageMeter {
  const seen = new Map<string, Seen>()
  for (const script of scripts) {
    const length = lengthOf(script)
    const inside = insideFunctions(script, length)
    seen.set(script.url, { inside, ran: new Uint8Array(length), fresh: new Uint8Array(length) })
  }

  return {
    look() {
      let count = 0
      for (const script of take()) {
        const known = seen.get(script.url)
        if (known === undefined) continue
        const painted = new Uint8Array(known.ran.length)
        paint(script, painted)
        for (let index = 0; index < painted.length; index++) {
          if (painted[index] !== 1 || known.inside[index] !== 1 || known.ran[index] === 1) continue
          known.fresh[index] = 1
          count++
        }
      }
      return count
    },
    commit() {
      for (const { ran, fresh } of seen.values()) {
        for (let index = 0; index < fresh.length; index++) if (fresh[index] === 1) ran[index] = 1
        fresh.fill(0)
      }
    },
    discard() {
      for (const { fresh } of seen.values()) fresh.fill(0)
    },
    share() {
      let all = 0
      let covered = 0
      for (const { ran, inside } of seen.values()) {
        for (let index = 0; index < inside.length; index++) {
          all += inside[index] as number
          covered += ran[index] as number
        }
      }
      return all === 0 ? 0 : covered / all
    },
  }
}

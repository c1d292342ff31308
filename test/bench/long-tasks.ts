import type { Page } from 'playwright-core'

/** One task of a page's main thread. */
export interface PageTask {
  /**
   * Processor time of its scripts, layout and collecting garbage not counted, milliseconds. Not the clock's, which other work
   * on the machine makes longer.
   */
  readonly scriptMs: number
  /** What ran in it, the longest first, by the browser's own account. */
  readonly what: readonly string[]
}

interface TraceEvent {
  readonly name: string
  readonly ph: string
  readonly pid: number
  readonly tid: number
  /** Microseconds; `tdur` is processor time. */
  readonly ts: number
  readonly dur?: number
  readonly tdur?: number
  readonly args?: { readonly name?: string; readonly data?: Readonly<Record<string, unknown>> }
}

/** What of a task is a script. */
const SCRIPT =
  /^(FunctionCall|EvaluateScript|v8\.run|v8\.callFunction|RunMicrotasks|FireAnimationFrame|TimerFire|HandlePostMessage)$/
/** What the browser does within a script that asks where something is, and would do later otherwise. */
const LAYOUT = /^(Layout|UpdateLayoutTree)$/
/**
 * When it collects, and how long that takes, hangs on the machine's memory: where pages have to be fetched first, sweeping
 * alone took 28 ms.
 */
const COLLECTING = /^(V8\.GC|MinorGC|MajorGC)/
const CATEGORIES = ['toplevel', 'devtools.timeline', 'disabled-by-default-devtools.timeline', 'v8']

/** What the main thread of a page did for a while. */
export interface PageWork {
  /** Processor time of all its scripts, what they had laid out and collected included, milliseconds. */
  readonly scriptMs: number
  /** The tasks that took longest, first the one with the longest script. */
  readonly longest: readonly PageTask[]
}

/** How many of the longest tasks are looked into. */
const LOOKED_INTO = 20

/** Records what the main thread of a page does while `work` runs. */
export async function recordTasks(page: Page, work: () => Promise<unknown>): Promise<PageWork> {
  const cdp = await page.context().newCDPSession(page)
  const events: TraceEvent[] = []
  cdp.on('Tracing.dataCollected', ({ value }) => {
    // Many: as arguments of one call they would overflow the stack.
    for (const event of value) events.push(event as unknown as TraceEvent)
  })
  const ended = new Promise<void>((resolve) => cdp.once('Tracing.tracingComplete', () => resolve()))
  await cdp.send('Tracing.start', {
    transferMode: 'ReportEvents',
    traceConfig: { recordMode: 'recordAsMuchAsPossible', includedCategories: CATEGORIES },
  })
  await work()
  await cdp.send('Tracing.end')
  await ended
  await cdp.detach()
  return workOf(events)
}

function workOf(events: readonly TraceEvent[]): PageWork {
  const isMain = ({ name, args }: TraceEvent) => name === 'thread_name' && args?.name === 'CrRendererMain'
  const mains = new Set(events.filter(isMain).map(({ pid, tid }) => `${pid}/${tid}`))
  const onMain = events.filter(({ ph, pid, tid }) => ph === 'X' && mains.has(`${pid}/${tid}`))
  const longest = onMain
    .filter(({ name }) => name === 'RunTask')
    .sort((a, b) => (b.tdur ?? 0) - (a.tdur ?? 0))
    .slice(0, LOOKED_INTO)
    .map((task) => describe(task, onMain))
    .sort((a, b) => b.scriptMs - a.scriptMs)
  const scripts = onMain.filter(({ name }) => SCRIPT.test(name)).sort(byBeginning)
  return { scriptMs: cpuMs(outermost(scripts)), longest }
}

function describe(task: TraceEvent, events: readonly TraceEvent[]): PageTask {
  const until = task.ts + (task.dur ?? 0)
  const inside = events
    .filter(
      ({ name, pid, tid, ts, dur = 0 }) =>
        !/RunTask$/.test(name) && pid === task.pid && tid === task.tid && ts >= task.ts && ts + dur <= until,
    )
    .sort(byBeginning)
  const scripts = outermost(inside.filter(({ name }) => SCRIPT.test(name)))
  const others = outermost(inside.filter(({ name }) => LAYOUT.test(name) || COLLECTING.test(name)))
  const isWithin = (inner: TraceEvent) =>
    scripts.some(({ ts, dur = 0 }) => inner.ts >= ts && inner.ts < ts + dur)
  const what = [...inside]
    .sort((a, b) => (b.tdur ?? 0) - (a.tdur ?? 0))
    .slice(0, 4)
    .map(({ name, tdur = 0, args }) => {
      const { functionName = '', url = '' } = args?.data ?? {}
      return `${name} ${functionName} ${url} ${Math.round(tdur / 1_000)} ms`
    })
  return { scriptMs: cpuMs(scripts) - cpuMs(others.filter(isWithin)), what }
}

function cpuMs(events: readonly TraceEvent[]): number {
  return events.reduce((ms, { tdur = 0 }) => ms + tdur / 1_000, 0)
}

/** The longer first of two that begin together. */
function byBeginning(a: TraceEvent, b: TraceEvent): number {
  return a.ts - b.ts || (b.dur ?? 0) - (a.dur ?? 0)
}

/** Those that are in no other of them. By their beginning, the longer first. */
function outermost(events: readonly TraceEvent[]): TraceEvent[] {
  const found: TraceEvent[] = []
  let end = 0
  for (const event of events) {
    if (event.ts < end) continue
    found.push(event)
    end = event.ts + (event.dur ?? 0)
  }
  return found
}

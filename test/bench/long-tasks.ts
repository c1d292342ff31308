import type { Page } from 'playwright-core'

/** One task of a page's main thread. */
export interface PageTask {
  /** Processor time of its scripts, milliseconds. Not the clock's, which other work on the machine makes longer. */
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
const CATEGORIES = ['toplevel', 'devtools.timeline', 'disabled-by-default-devtools.timeline', 'v8']

/**
 * Records what the main thread of a page does while `work` runs. @returns what that gives, and the tasks with scripts that
 * took more than `fromMs`, the longest first
 */
export async function recordTasks<T>(
  page: Page,
  work: () => Promise<T>,
  fromMs = 10,
): Promise<readonly [T, readonly PageTask[]]> {
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
  const result = await work()
  await cdp.send('Tracing.end')
  await ended
  await cdp.detach()
  return [result, tasksOf(events, fromMs)]
}

function tasksOf(events: readonly TraceEvent[], fromMs: number): readonly PageTask[] {
  const isMain = ({ name, args }: TraceEvent) => name === 'thread_name' && args?.name === 'CrRendererMain'
  const mains = new Set(events.filter(isMain).map(({ pid, tid }) => `${pid}/${tid}`))
  const onMain = events.filter(({ ph, pid, tid }) => ph === 'X' && mains.has(`${pid}/${tid}`))
  return onMain
    .filter(({ name, tdur = 0 }) => name === 'RunTask' && tdur / 1_000 >= fromMs)
    .map((task) => describe(task, onMain))
    .filter(({ scriptMs }) => scriptMs >= fromMs)
    .sort((a, b) => b.scriptMs - a.scriptMs)
}

function describe(task: TraceEvent, events: readonly TraceEvent[]): PageTask {
  const until = task.ts + (task.dur ?? 0)
  const inside = events
    .filter(
      ({ name, pid, tid, ts, dur = 0 }) =>
        !/RunTask$/.test(name) && pid === task.pid && tid === task.tid && ts >= task.ts && ts + dur <= until,
    )
    .sort((a, b) => a.ts - b.ts || (b.dur ?? 0) - (a.dur ?? 0))
  const scripts = outermost(inside.filter(({ name }) => SCRIPT.test(name)))
  const layouts = outermost(inside.filter(({ name }) => LAYOUT.test(name)))
  const isWithin = (inner: TraceEvent) =>
    scripts.some(({ ts, dur = 0 }) => inner.ts >= ts && inner.ts < ts + dur)
  const sum = (some: readonly TraceEvent[]) => some.reduce((ms, { tdur = 0 }) => ms + tdur / 1_000, 0)
  const what = [...inside]
    .sort((a, b) => (b.tdur ?? 0) - (a.tdur ?? 0))
    .slice(0, 4)
    .map(({ name, tdur = 0, args }) => {
      const { functionName = '', url = '' } = args?.data ?? {}
      return `${name} ${functionName} ${url} ${Math.round(tdur / 1_000)} ms`
    })
  return { scriptMs: sum(scripts) - sum(layouts.filter(isWithin)), what }
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

/** What {@link slowness} takes on an idle processor of the machine on which bounds were chosen. Milliseconds. */
const REFERENCE_MS = 24

/**
 * How much longer this machine takes for the same scripts than the one on which bounds were chosen; at least 1. It is the
 * quickest of several runs, so that other work on the machine counts little.
 */
export async function slowness(page: Page): Promise<number> {
  const quickestMs = await page.evaluate(() => {
    function work(): number {
      const numbers = new Map<string, number>()
      for (let index = 0; index < 60_000; index++) numbers.set(`key ${index % 5_000}`, Math.imul(index, 31))
      return numbers.size
    }
    let quickest = Number.POSITIVE_INFINITY
    for (let run = 0; run < 15; run++) {
      const from = performance.now()
      work()
      quickest = Math.min(quickest, performance.now() - from)
    }
    return quickest
  })
  return Math.max(1, quickestMs / REFERENCE_MS)
}

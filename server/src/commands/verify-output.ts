import type { VerifyReport } from '../core/verify.js'
import type { Fault } from '../core/verify-findings.js'

/** Faults that are shown to people. */
const SHOWN_FAULTS = 20

/** What a check came to, with what only the command knows. */
export interface VerifyOutcome {
  readonly data: string
  readonly report: VerifyReport
  /** The first ones. */
  readonly faults: readonly Fault[]
  readonly seconds: number
}

/** A number with separators: `12,345`. */
export function count(value: number): string {
  return value.toLocaleString('en-US')
}

/** For programs. Field names are stable. Source: SPEC VFY7. */
export function verifyToJson({ data, report, faults, seconds }: VerifyOutcome): object {
  return {
    sound: report.isSound,
    data,
    database: report.databaseId,
    head: report.head,
    events: report.events,
    documents: report.documents,
    entries: report.entries,
    gaps: report.gaps,
    keptStates: report.keptStates,
    uncheckedStates: report.uncheckedStates,
    supersededIds: report.supersededIds,
    heldParts: report.heldParts,
    staleFeedEntries: report.staleFeedEntries,
    faultCount: report.faultCount,
    mendableCount: report.mendableCount,
    mendedCount: report.mendedCount,
    faultsByKind: report.faults,
    faults,
    seconds: Math.round(seconds * 1000) / 1000,
  }
}

/** For people. */
export function verifyToText(outcome: VerifyOutcome): string {
  const { report } = outcome
  const lines = rows(outcome).map(([name, value]) => `${name.padEnd(10)} ${value}`)
  if (report.faultCount === 0) return [...lines, '', 'sound: everything is as the events say'].join('\n')
  return [...lines, '', ...listed(outcome), '', conclusion(report)].join('\n')
}

function rows({ data, report, seconds }: VerifyOutcome): [string, string][] {
  const { events, documents, gaps, keptStates, uncheckedStates, supersededIds, heldParts } = report
  const also = (value: number, text: string) => (value === 0 ? '' : `; ${count(value)} ${text}`)
  const rate = seconds < 1 ? '' : `, ${count(Math.round(events / seconds))} events a second`
  return [
    ['data', `${printable(data)}  (database ${report.databaseId}, position ${count(report.head)})`],
    [
      'events',
      count(events) +
        also(supersededIds, 'superseded, of which the id is known') +
        also(heldParts, 'parts waiting'),
    ],
    ['documents', count(documents) + also(gaps, 'with a gap: what somebody wrote is missing')],
    [
      'states',
      (keptStates === 0 ? 'none compared' : `${count(keptStates)} compared with what the events give`) +
        also(uncheckedStates, 'not compared, because events are damaged or missing'),
    ],
    ['indexes', `${count(report.entries)} entries${also(report.staleFeedEntries, 'left over, no fault')}`],
    ['took', `${seconds.toFixed(1)} s${rate}`],
  ]
}

function listed({ report, faults }: VerifyOutcome): string[] {
  const shown = faults.slice(0, SHOWN_FAULTS)
  const names = shown.map(({ kind, index }) => (index === undefined ? kind : `${kind} ${index}`))
  const width = Math.max(...names.map((name) => name.length))
  const lines = shown.flatMap((fault, at) => {
    const mended = fault.mended ? ' (mended)' : ''
    const indent = ' '.repeat(width + 4)
    return [
      `  ${(names[at] as string).padEnd(width)}  ${where(fault)}`,
      `${indent}${printable(fault.message)}${mended}`,
    ]
  })
  const more = report.faultCount - shown.length
  return [
    `${times(report.faultCount, 'fault')}:`,
    ...lines,
    ...(more === 0 ? [] : [`  … and ${count(more)} more`]),
  ]
}

function where({ kind, seq, id, address, reader }: Fault): string {
  const isNamed = seq !== undefined && kind !== 'event-missing'
  const parts = [
    seq === undefined ? '' : `position ${seq}`,
    address === undefined ? '' : printable(address),
    id === undefined || isNamed ? '' : `event ${printable(id)}`,
    reader === undefined ? '' : `key ${printable(reader)}`,
  ]
  return parts.filter((part) => part !== '').join(', ')
}

function conclusion({ faultCount, mendableCount, mendedCount }: VerifyReport): string {
  const left = faultCount - mendedCount
  if (left === 0) return 'mended: everything is as the events say'
  if (mendedCount > 0)
    return `mended ${count(mendedCount)} from the events; ${times(left, 'fault')} left, which needs a backup`
  if (mendableCount === 0) return 'wrong: --repair can do nothing about it, this needs a backup'
  if (mendableCount === faultCount) return 'wrong: --repair can mend all of it from the events'
  return `wrong: --repair can mend ${count(mendableCount)} of it from the events, the rest needs a backup`
}

/** `1 fault`, `1,000 faults`. */
function times(value: number, word: string): string {
  return `${count(value)} ${word}${value === 1 ? '' : 's'}`
}

/** Text that may be anything, safe to print: control characters could command the terminal. */
export function printable(text: string): string {
  return text.replace(
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
    /[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

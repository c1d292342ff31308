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

/** For programs. Field names are stable. */
export function verifyToJson({ data, report, faults, seconds }: VerifyOutcome): object {
  const {
    isSound,
    databaseId,
    head,
    faultCount,
    mendableCount,
    mendedCount,
    faults: byKind,
    ...counts
  } = report
  return {
    sound: isSound,
    data,
    database: databaseId,
    head,
    ...counts,
    faultCount,
    mendableCount,
    mendedCount,
    faultsByKind: byKind,
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
  const { head, events, documents, gaps, keptStates, uncheckedStates, supersededIds, heldParts } = report
  const also = (text: string, value: number) => (value === 0 ? '' : `, ${text}`)
  const rate = count(Math.round(events / Math.max(seconds, 0.001)))
  return [
    ['data', `${printable(data)}  (database ${report.databaseId})`],
    [
      'events',
      `${count(events)}, up to position ${count(head)}` +
        also(`${count(supersededIds)} ids of superseded ones`, supersededIds) +
        also(`${times(heldParts, 'part')} waiting for others`, heldParts),
    ],
    [
      'documents',
      count(documents) + also(`${count(gaps)} with a gap: an update of somebody is missing`, gaps),
    ],
    [
      'states',
      `${count(keptStates)} compared with what the events give` +
        also(`${count(uncheckedStates)} not, because events are damaged or missing`, uncheckedStates),
    ],
    [
      'indexes',
      `${count(report.entries)} entries` +
        also(
          `${count(report.staleFeedEntries)} of them left in feeds, which is no fault`,
          report.staleFeedEntries,
        ),
    ],
    ['took', `${seconds.toFixed(1)} s, ${rate} events a second`],
  ]
}

function listed({ report, faults }: VerifyOutcome): string[] {
  const shown = faults.slice(0, SHOWN_FAULTS)
  const names = shown.map(({ kind, index }) => (index === undefined ? kind : `${kind} ${index}`))
  const width = Math.max(...names.map((name) => name.length))
  const lines = shown.flatMap((fault, at) => {
    const mended = fault.mended ? ', mended' : ''
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

function where({ seq, id, address, reader }: Fault): string {
  const parts = [
    seq === undefined ? '' : `position ${seq}`,
    address === undefined ? '' : printable(address),
    id === undefined ? '' : `event ${printable(id)}`,
    reader === undefined ? '' : `key ${printable(reader)}`,
  ]
  return parts.filter((part) => part !== '').join(', ')
}

function conclusion({ faultCount, mendableCount, mendedCount }: VerifyReport): string {
  const left = faultCount - mendedCount
  if (left === 0) return 'mended: everything is as the events say'
  if (mendedCount > 0)
    return `mended ${count(mendedCount)}; ${times(left, 'fault')} left, which only a backup can mend`
  if (mendableCount === 0) return 'wrong; only a backup can mend that'
  if (mendableCount === faultCount) return 'wrong; --repair mends it, because it follows from the events'
  return `wrong; --repair mends ${count(mendableCount)} of that, only a backup the rest`
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

import type { VerifyProgress } from '../core/verify-findings.js'
import { count } from './verify-output.js'

/** Where progress is shown. */
export interface ProgressStream {
  readonly isTTY?: boolean
  write(text: string): unknown
}

/** Shows how far a check is. */
export interface ProgressLine {
  tell(progress: VerifyProgress): void
  /** Removes what a terminal shows. */
  end(): void
}

const TERMINAL_INTERVAL_MS = 200
const LINES_INTERVAL_MS = 5_000
const CLEAR_LINE = '\r\u001b[2K'

/** On a terminal one line that changes; elsewhere a line every few seconds, so that a log shows it is alive. */
export function createProgressLine(stream: ProgressStream, now: () => number): ProgressLine {
  const isTerminal = stream.isTTY === true
  const startedAt = now()
  let shownAt = startedAt
  let isShown = false
  let step: VerifyProgress['step'] | undefined
  let stepStartedAt = startedAt
  let documentsBefore = 0

  return {
    tell(progress) {
      if (progress.step !== step) {
        step = progress.step
        stepStartedAt = now()
        documentsBefore = progress.documents
      }
      if (now() - shownAt < (isTerminal ? TERMINAL_INTERVAL_MS : LINES_INTERVAL_MS)) return
      shownAt = now()
      const text = describe(progress, Math.max(1, shownAt - stepStartedAt) / 1000, documentsBefore)
      stream.write(isTerminal ? `${CLEAR_LINE}${text}` : `${text}\n`)
      isShown = isTerminal
    },
    end() {
      if (isShown) stream.write(CLEAR_LINE)
      isShown = false
    },
  }
}

function describe(progress: VerifyProgress, seconds: number, documentsBefore: number): string {
  const { step, seq, head, events, documents, entries } = progress
  const rate = (done: number) => `${count(Math.round(done / seconds))} a second`
  if (step === 'events')
    return `events     ${count(events)} checked, at position ${count(seq)} of ${count(head)}, ${rate(events)}`
  if (step === 'documents')
    return `documents  ${count(documents)} rebuilt, ${rate(documents - documentsBefore)}`
  return `indexes    ${count(entries)} entries checked`
}

import type { VerifyProgress } from '../core/verify-findings.js'
import { createProgress, type Progress, type ProgressStream } from './progress.js'
import { count } from './verify-output.js'

/** Shows how far a check is. */
export function createProgressLine(stream: ProgressStream, now: () => number): Progress<VerifyProgress> {
  let step: VerifyProgress['step'] | undefined
  let stepStartedAt = now()
  let documentsBefore = 0
  const progress = createProgress<VerifyProgress>(stream, now, (value) =>
    describe(value, Math.max(1, now() - stepStartedAt) / 1000, documentsBefore),
  )
  return {
    tell(value) {
      if (value.step !== step) {
        step = value.step
        stepStartedAt = now()
        documentsBefore = value.documents
      }
      progress.tell(value)
    },
    end: progress.end,
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

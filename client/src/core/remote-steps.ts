import { getOrCreate } from '@onyx-sync/shared'
import type { Turns } from '../ports/turns.js'
import type { Journal } from './journal.js'
import type { Loaded } from './loaded-documents.js'
import type { RemoteUpdate, RemoteUpdates } from './remote-updates.js'
import { SLICE_BYTES } from './slices.js'
import { createWriteBrake } from './write-brake.js'

/** An update with the document it belongs to, which stays loaded. */
export type Received = readonly [Loaded, RemoteUpdate]

/** What is applied in one go: one update that is large, or as many as cost no more than a slice. */
interface Step {
  readonly isLarge: boolean
  readonly parts: Received[]
  bytes: number
}

export interface StepsParts {
  readonly remotes: RemoteUpdates
  readonly journal: Journal
  readonly turns: Turns
  /** Whether content of the document belongs on this device now. */
  isMeant(entry: Loaded): boolean
}

/**
 * Applies what was received, in its order, with turns between the steps where it is much. Each step is handed to the journal
 * as it is applied, so that what is on the disk is always something that the documents were. A document that was only listed
 * is here with the step that brings the last of it. When it resolves the last step is in the journal, but perhaps not on the
 * disk.
 * @returns how many were set aside because they were not what their author signed
 */
export async function applySteps(
  received: readonly Received[],
  { remotes, journal, turns, isMeant }: StepsParts,
): Promise<number> {
  let setAside = 0
  const applied = new Set<Loaded>()
  /** Of which not everything was taken. */
  const cut = new Set<Loaded>()
  const lastStep = new Map<Loaded, Step>()
  const brake = createWriteBrake(journal)

  async function take({ isLarge, parts }: Step): Promise<void> {
    const checked: Received[] = []
    for (const [entry, remote] of parts) {
      const isRight =
        !isMeant(entry) ||
        (isLarge ? await remotes.applyInSlices(entry, remote, isMeant) : await remotes.check(entry, remote))
      if (!isMeant(entry)) cut.add(entry)
      else if (!isRight) setAside++
      else if (isLarge) applied.add(entry)
      else checked.push([entry, remote])
    }
    // From here on nothing awaits: what is small is in one batch, or none of it is.
    for (const [entry, list] of groupByFirst(checked)) {
      if (!isMeant(entry)) {
        cut.add(entry)
        continue
      }
      entry.receive(() => {
        for (const remote of list) {
          if (remotes.apply(entry, remote)) applied.add(entry)
          else setAside++
        }
      })
    }
  }

  function noteArrivals(step: Step): void {
    for (const entry of new Set(step.parts.map(([entry]) => entry)))
      if (applied.has(entry) && !cut.has(entry) && lastStep.get(entry) === step) remotes.noteArrival(entry)
  }

  const steps = stepsOf(received)
  for (const step of steps) for (const [entry] of step.parts) lastStep.set(entry, step)
  for (const [index, step] of steps.entries()) {
    if (index > 0) await turns.next()
    await take(step)
    noteArrivals(step)
    if (index < steps.length - 1) await brake.handedOver(step.isLarge ? 0 : step.bytes)
  }
  return setAside
}

function stepsOf(received: readonly Received[]): Step[] {
  const steps: Step[] = []
  for (const one of received) {
    const bytes = one[1].updates.reduce((sum, { byteLength }) => sum + byteLength, 0)
    const isLarge = bytes > SLICE_BYTES
    const last = steps[steps.length - 1]
    if (last === undefined || isLarge || last.isLarge || last.bytes + bytes > SLICE_BYTES)
      steps.push({ isLarge, parts: [one], bytes })
    else {
      last.parts.push(one)
      last.bytes += bytes
    }
  }
  return steps
}

function groupByFirst<A, B>(pairs: readonly (readonly [A, B])[]): Map<A, B[]> {
  const groups = new Map<A, B[]>()
  for (const [first, second] of pairs) getOrCreate(groups, first, () => []).push(second)
  return groups
}

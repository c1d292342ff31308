import type { RowChange } from '../core/journal.js'
import { TRAINING_LANE } from '../core/outbox-lanes.js'
import type { OutboxEntry, OutboxState, QueryRow } from '../ports/store.js'

/**
 * How far a contribution is. `waiting`: on this device only, to be sent. `withdrawn`: the account's consent was taken back
 * before the server was known to have it; it isn't sent, and never will be by itself.
 */
export type ContributionState = 'waiting' | 'sending' | 'sent' | 'refused' | 'withdrawn'

/** Id of a contribution: by its place in the device's log, which stays the same from the first edit to the end. */
export function trainingId(seq: number | ''): string {
  return `training-${seq}`
}

const STATES: Readonly<Record<Exclude<OutboxState, 'unchecked'>, ContributionState>> = {
  pending: 'waiting',
  staged: 'sending',
  refused: 'refused',
  saved: 'sent',
  confirmed: 'sent',
  withdrawn: 'withdrawn',
}

/** What changes of the outbox make of the table `training`. `null` stands for an entry that goes. */
export function projectTraining(outbox: ReadonlyMap<string, OutboxEntry | null>): RowChange[] {
  const put: QueryRow[] = []
  for (const entry of outbox.values()) if (entry?.lane === TRAINING_LANE) put.push(trainingRow(entry))
  const kept = new Set(put.map(({ id }) => id))
  // An entry is replaced by its signed self, which has another id and the same place.
  const gone = [...outbox].filter(
    ([id, entry]) => entry === null && id.startsWith(trainingId('')) && !kept.has(id),
  )
  return put.length + gone.length === 0 ? [] : [{ table: 'training', put, delete: gone.map(([id]) => id) }]
}

function trainingRow({ seq, state, event, reason }: OutboxEntry): QueryRow {
  const { id, tags, content, created_at } = JSON.parse(event) as {
    id?: string
    tags: string[][]
    content: string
    created_at: number
  }
  const tag = (name: string) => tags.find(([first]) => first === name)?.[1] ?? ''
  return {
    id: trainingId(seq),
    address: tag('a'),
    message_id: tag('message'),
    quality: Number(tag('quality')),
    // What isn't checked is never contributed.
    state: STATES[state as keyof typeof STATES],
    content,
    created_at: created_at * 1000,
    event_id: id ?? '',
    reason,
  }
}

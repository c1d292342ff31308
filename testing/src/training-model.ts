import type { Contribution } from '@onyx-sync/client'
import { getOrCreate, KIND, type NostrEvent, tagValues } from '@onyx-sync/shared'
import { type Attempt, noteCall } from './attempt.js'
import type { World, WorldDevice } from './world.js'

/**
 * What somebody did with training data, and what must therefore be on the server in the end. A message is contributed once
 * by an account, so that a contribution can be told by it.
 */
export interface TrainingModel {
  /** Whether the account may have contributed a message. */
  isContributed(account: string, messageId: string): boolean
  submitting(account: string, messageId: string): Attempt
  revoking(account: string, messageId: string): Attempt
  /** A device of the account was set back: what was taken back before it was sent is to be sent again, as far as it knows. */
  setBack(account: string): void
  /** From now on anything may be missing, or be there still. */
  excuseAll(): void
  /** Consent is taken back, maybe: what was not sent isn't sent any more. */
  disagreeing(account: string): void
  /** @returns what is wrong with the messages that the server has of an account's training data */
  check(account: string, found: readonly string[]): string[]
}

type Certainty = 'attempted' | 'certain'

interface Contributed {
  submitted: Certainty
  readonly revocations: Map<symbol, Certainty>
}

export function createTrainingModel(): TrainingModel {
  const byAccount = new Map<string, Map<string, Contributed>>()
  const disagreed = new Set<string>()
  const setBack = new Set<string>()
  let isAllExcused = false

  const of = (account: string) => getOrCreate(byAccount, account, () => new Map<string, Contributed>())

  return {
    isContributed: (account, messageId) => of(account).has(messageId),
    submitting(account, messageId) {
      const contributed: Contributed = { submitted: 'attempted', revocations: new Map() }
      of(account).set(messageId, contributed)
      return {
        returned() {
          contributed.submitted = 'certain'
        },
        declined: () => void of(account).delete(messageId),
      }
    },
    revoking(account, messageId) {
      const revocations = of(account).get(messageId)?.revocations
      // A device that was set back may take back what it doesn't know to be on the server.
      return noteCall<Certainty>(revocations, 'attempted', setBack.has(account) ? 'attempted' : 'certain')
    },
    setBack(account) {
      setBack.add(account)
      for (const { revocations } of of(account).values())
        for (const call of revocations.keys()) revocations.set(call, 'attempted')
    },
    excuseAll() {
      isAllExcused = true
    },
    disagreeing: (account) => void disagreed.add(account),
    check(account, found) {
      const problems: string[] = []
      for (const [messageId, { submitted, revocations }] of of(account)) {
        const what = `the contribution ${messageId} of ${account}`
        const copies = found.filter((id) => id === messageId).length
        if (copies > 1) problems.push(`${what} is there ${copies} times`)
        if (copies > 0 && !isAllExcused && [...revocations.values()].includes('certain'))
          problems.push(`${what} was taken back and is there`)
        const mayBeLost = isAllExcused || disagreed.has(account)
        const isWanted = submitted === 'certain' && revocations.size === 0 && !mayBeLost
        if (copies === 0 && isWanted) problems.push(`${what} is lost`)
      }
      for (const id of found)
        if (!of(account).has(id)) problems.push(`${account} has not contributed ${id}, and it is there`)
      return problems
    },
  }
}

/** Checks a world at rest: the server has what the model says, and each device lists what the server has. */
export async function checkTraining(
  { clock, devices, serverDisk }: World,
  model: TrainingModel,
): Promise<string[]> {
  const events: NostrEvent[] = []
  for (let seq = 1; seq <= serverDisk.contents.head; seq++) {
    const [json] = await serverDisk.contents.load([seq])
    const event = json === undefined ? undefined : (JSON.parse(json) as NostrEvent)
    if (event?.kind === KIND.training) events.push(event)
  }
  const problems: string[] = []
  for (const { account, pubkey } of new Map(devices.map((device) => [device.account, device])).values()) {
    const own = events.filter((event) => event.pubkey === pubkey)
    problems.push(
      ...model.check(
        account,
        own.map((event) => tagValues(event, 'message')[0] ?? ''),
      ),
    )
  }
  for (const device of devices) {
    const listed = await clock.until(device.client?.training.list() ?? Promise.resolve([]))
    problems.push(...checkList(device, listed, events))
  }
  return problems
}

function checkList(
  { name, pubkey }: WorldDevice,
  listed: readonly Contribution[],
  events: readonly NostrEvent[],
): string[] {
  // What consent was taken back for stays in the list, and isn't sent.
  const sent = listed.filter(({ state }) => state !== 'withdrawn').map(({ eventId }) => eventId)
  const stored = events.filter((event) => event.pubkey === pubkey).map(({ id }) => id)
  if (JSON.stringify(sent.sort()) === JSON.stringify(stored.sort())) return []
  const states = listed.map(({ eventId, state, reason }) => `${eventId.slice(0, 8)} ${state} ${reason}`)
  return [
    `${name} lists [${states.join(', ')}] of the contributions, and the server has [${stored.join(', ')}]`,
  ]
}

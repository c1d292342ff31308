import type { Chat, ChatSummary, MessagesView, StreamedMessage, View } from '@onyx-sync/client'
import type { SyncError } from '@onyx-sync/shared'
import { createSeededRandom } from '@onyx-sync/testing'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createBrowser, type SimulatedBrowser, type SimulatedTab } from '../support/tabs.js'
import { clientOf, during, serverDocument, startWorld, storedDocument, textsOf } from '../support/worlds.js'

/** What happens next; a number says which of the tabs that are there. */
const step = fc.oneof(
  { weight: 8, arbitrary: fc.record({ do: fc.constant('send' as const), tab: fc.nat(9) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('open and send' as const), tab: fc.nat(9) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('stream' as const), tab: fc.nat(9) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('set' as const), tab: fc.nat(9), value: fc.nat(5) }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('draft' as const), tab: fc.nat(9), value: fc.nat(5) }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('contribute' as const), tab: fc.nat(9) }) },
  { weight: 10, arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.nat(60) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('kill the leader' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('kill' as const), tab: fc.nat(9) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('close' as const), tab: fc.nat(9) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('new tab' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('network' as const), isOn: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('disk' as const), isFull: fc.boolean() }) },
)
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never

interface Sent {
  readonly text: string
  readonly tab: SimulatedTab
  /** Whether it went through a chat that is open, where an edit is made before anything waits. */
  readonly isMade: boolean
  state: 'under way' | 'kept' | 'refused'
}

const MAX_TABS = 4

/** What a run has come to, to see that runs are worth something. */
const totals = { killed: 0, sent: 0, keptBeforeKill: 0, streams: 0, contributions: 0 }

async function run(seed: string, steps: readonly Step[]): Promise<void> {
  const world = await startWorld(seed, { ann: ['phone'] })
  const browser = createBrowser(world, createSeededRandom(seed), 'ann')
  const sent: Sent[] = []
  const streams: { readonly tab: SimulatedTab; readonly stream: StreamedMessage; isEnded: boolean }[] = []
  const contributed: { readonly tab: SimulatedTab; readonly id: string; isKept: boolean }[] = []
  const chats = new Map<SimulatedTab, Chat>()
  /** What each tab shows from its beginning to its end. */
  const lists = new Map<SimulatedTab, View<readonly ChatSummary[]>>()
  const windows = new Map<SimulatedTab, MessagesView>()
  const opening: {
    readonly tab?: SimulatedTab
    readonly work: Promise<unknown>
    readonly mayFail?: boolean
  }[] = []
  let names = 0
  let streamNames = 0

  const closing = new Set<SimulatedTab>()
  const there = () => browser.tabs.filter((tab) => tab.isAlive && !closing.has(tab))
  const pick = (at: number) => there()[at % Math.max(1, there().length)]

  async function openTab(): Promise<void> {
    const tab = await browser.open(`tab${++names}`)
    tab.client.connect()
    const list = tab.client.chats.watch()
    list.subscribe(() => {})
    lists.set(tab, list)
  }

  function note(tab: SimulatedTab, text: string, work: Promise<unknown>, isMade = false): void {
    const entry: Sent = { text, tab, isMade, state: 'under way' }
    sent.push(entry)
    work.then(
      () => {
        if (tab.isAlive) entry.state = 'kept'
      },
      (error: SyncError) => {
        if (error.code !== 'STORE_FAILED' && !closing.has(tab)) throw error
        entry.state = 'refused'
      },
    )
  }

  function closed(tab: SimulatedTab): void {
    chats.delete(tab)
  }

  await during(world, openTab())
  const first = browser.tabs[0] as SimulatedTab
  await during(world, first.client.chats.create({ id: 'chat' }))
  await during(world, first.client.training.setConsent(true))

  for (const next of steps) {
    const tab = 'tab' in next ? pick(next.tab) : undefined
    if ('tab' in next && tab === undefined) continue
    if (next.do === 'send' && tab !== undefined) {
      const text = `message ${sent.length}`
      note(tab, text, tab.client.chats.send('chat', text))
    } else if (next.do === 'open and send' && tab !== undefined) {
      const text = `message ${sent.length}`
      const open = chats.get(tab)
      if (open !== undefined) note(tab, text, open.send(text), true)
      else {
        const work = tab.client.chats.open('chat').then((chat) => {
          if (chats.has(tab)) chat.release()
          else {
            chats.set(tab, chat)
            const window = tab.client.chats.messages('chat', { last: 1_000 })
            window.subscribe(() => {})
            windows.set(tab, window)
          }
        })
        work.catch(() => {})
        opening.push({ tab, work, mayFail: true })
      }
    } else if (next.do === 'stream' && tab !== undefined) {
      const own = streams.find((candidate) => candidate.tab === tab && !candidate.isEnded)
      const chat = chats.get(tab)
      if (own !== undefined) own.stream.push(`piece ${own.stream.text.length} `)
      else if (chat !== undefined) {
        streams.push({ tab, stream: chat.stream({ id: `stream${++streamNames}` }), isEnded: false })
      } else {
        const work = tab.client.chats
          .stream('chat', { id: `stream${++streamNames}` })
          .then((stream) => streams.push({ tab, stream, isEnded: false }))
        work.catch(() => {})
        opening.push({ tab, work, mayFail: true })
      }
    } else if (next.do === 'set' && tab !== undefined)
      tab.client.settings.set('model', `model ${next.value}`).catch(() => {})
    else if (next.do === 'draft' && tab !== undefined)
      tab.client.chats.setDraft('chat', `draft ${next.value}`).catch(() => {})
    else if (next.do === 'contribute' && tab !== undefined) {
      const entry = { tab, id: `c${contributed.length}`, isKept: false }
      contributed.push(entry)
      const work = tab.client.chats.send('chat', `contributed ${entry.id}`, { id: entry.id })
      note(tab, `contributed ${entry.id}`, work)
      work
        .then(() => tab.client.training.submit('chat', entry.id, 3))
        .then(
          () => {
            if (tab.isAlive) entry.isKept = true
          },
          () => {},
        )
    } else if (next.do === 'wait') await world.advance(next.ms)
    else if (next.do === 'kill the leader') {
      const leader = there().find(({ client }) => client.role === 'leader')
      if (leader === undefined) continue
      totals.killed++
      totals.keptBeforeKill += sent.filter(({ state }) => state === 'kept').length
      leader.kill()
      closed(leader)
    } else if (next.do === 'kill' && tab !== undefined) {
      tab.kill()
      closed(tab)
    } else if (next.do === 'close' && tab !== undefined) {
      if (streams.some((candidate) => candidate.tab === tab)) continue
      closing.add(tab)
      tab.client.close().then(
        () => tab.kill(),
        () => tab.kill(),
      )
      closed(tab)
      await world.advance(200)
    } else if (next.do === 'new tab') {
      if (there().length < MAX_TABS) opening.push({ work: openTab() })
    } else if (next.do === 'network') {
      for (let number = 1; number <= names; number++) world.network.setOnline(`tab tab${number}`, next.isOn)
    } else if (next.do === 'disk') browser.disk.faults.refuse = next.isFull ? 0.7 : 0
  }

  // Everything is well again, and what is under way comes to its end.
  browser.disk.faults.refuse = 0
  for (let number = 1; number <= names; number++) world.network.setOnline(`tab tab${number}`, true)
  await world.advance(3_000)
  opening.push({ work: openTab() })
  for (const { tab, work, mayFail } of opening)
    if (tab === undefined || there().includes(tab))
      await during(world, mayFail === true ? work.catch(() => {}) : work)
  for (const entry of streams) if (there().includes(entry.tab)) await during(world, entry.stream.complete())
  for (const { client } of there()) await during(world, client.flush())
  await world.advance(20_000)
  for (const { client } of there())
    expect(await during(world, client.saved({ timeoutMs: 60_000 }))).toBe(true)
  await world.advance(20_000)
  await check(browser)

  async function check({ disk, faults }: SimulatedBrowser): Promise<void> {
    expect(faults).toEqual([])
    expect(world.errors).toEqual([])
    const survivors = there()
    expect(survivors.filter(({ client }) => client.role === 'leader')).toHaveLength(1)
    const address = survivors[0]?.client.chats.addressOf('chat') as string
    const onDisk = textsOf(await storedDocument(disk.contents, address))
    expect(textsOf(await serverDocument(world, address))).toEqual(onDisk)
    const phone = await during(world, clientOf(world, 'phone').chats.read('chat'))
    expect(phone.messages.map(({ content }) => content)).toEqual(onDisk)
    const rows = await disk.contents.loadMessages(address, { from: 0, through: Number.MAX_SAFE_INTEGER })
    expect(rows.map(({ content }) => content)).toEqual(onDisk)
    for (const { client } of survivors) {
      const { messages } = await during(world, client.chats.read('chat'))
      expect(messages.map(({ content }) => content)).toEqual(onDisk)
      const chat = await during(world, client.chats.open('chat'))
      expect(chat.messages.map(({ content }) => content)).toEqual(onDisk)
      expect(client.status.unsent).toBe(0)
      expect(client.unsaved()).toBeUndefined()
      expect(await during(world, client.settings.get('model'))).toEqual(
        await during(world, clientOf(world, 'phone').settings.get('model')),
      )
      expect(chat.draft).toBe(
        survivors[0]?.client.chats && (await during(world, client.chats.read('chat'))).draft,
      )
      chat.release()
    }
    const [row] = await disk.contents.loadRows('chats', { column: 'address', equals: address })
    for (const tab of survivors) {
      const shown = lists
        .get(tab)
        ?.getSnapshot()
        ?.map(({ messageCount, draft }) => [messageCount, draft])
      const { draft } = await during(world, tab.client.chats.read('chat'))
      expect(shown).toEqual([[row?.message_count, draft]])
      const { messages } = windows.get(tab)?.getSnapshot() ?? {}
      if (messages !== undefined) expect(messages.map(({ content }) => content)).toEqual(onDisk)
    }
    const drafts = new Set<string>()
    for (const { client } of survivors) drafts.add((await during(world, client.chats.read('chat'))).draft)
    expect(drafts.size).toBe(1)

    for (const { text, tab, state, isMade } of sent) {
      const times = onDisk.filter((other) => other === text).length
      const isSure = state === 'kept' || (there().includes(tab) && (isMade || state !== 'refused'))
      if (isSure) expect([text, times]).toEqual([text, 1])
      else expect(times).toBeLessThanOrEqual(1)
    }
    for (const { tab, stream } of streams) {
      const row = rows.find(({ message_id }) => message_id === stream.id)
      if (!there().includes(tab)) {
        if (row !== undefined) expect(row.status).toBe('aborted')
        continue
      }
      expect([row?.content, row?.status]).toEqual([stream.text, 'complete'])
    }
    const contributions = await disk.contents.loadRows('training')
    for (const { tab, id, isKept } of contributed) {
      const times = contributions.filter(({ message_id }) => message_id === id).length
      if (isKept) expect([id, times]).toEqual([id, 1])
      else expect(times).toBeLessThanOrEqual(1)
      void tab
    }
    totals.sent += sent.length
    totals.streams += streams.length
    totals.contributions += contributions.length
  }
}

describe('tabs of one browser', () => {
  it('[TABS2][C10] lose nothing and double nothing, whichever of them are killed, and whenever', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.nat(1_000_000),
        fc.array(step, { minLength: 10, maxLength: 60, size: 'max' }),
        async (seed, steps) => run(`tabs ${seed}`, steps),
      ),
      { numRuns: Number(process.env.ONYX_TAB_RUNS ?? 40) },
    )
    // Worth something only if what is to be survived happened.
    expect(totals.killed).toBeGreaterThan(20)
    expect(totals.keptBeforeKill).toBeGreaterThan(0)
    expect(totals.streams).toBeGreaterThan(0)
    expect(totals.contributions).toBeGreaterThan(0)
  }, 600_000)
})

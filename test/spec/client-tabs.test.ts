import type { SyncStatus } from '@onyx-sync/client'
import { createSeededRandom, type World } from '@onyx-sync/testing'
import { describe, expect, it } from 'vitest'
import * as Y from 'yjs'
import { TAB_PROTOCOL } from '../../client/src/tabs/protocol.js'
import { createBrowser, type SimulatedBrowser, type SimulatedTab } from '../support/tabs.js'
import { clientOf, during, startWorld, storedDocument, textsOf } from '../support/worlds.js'

interface Scene {
  readonly world: World
  readonly browser: SimulatedBrowser
  /** In the order in which they were opened: the first one leads. */
  readonly tabs: readonly SimulatedTab[]
  /** Lets time pass until a call has ended. */
  now<T>(call: Promise<T>): Promise<T>
}

/** Tabs of ann's browser, connected, with a chat; and ann's phone. */
async function start(seed: string, count: number): Promise<Scene> {
  const world = await startWorld(seed, { ann: ['phone'] })
  const browser = createBrowser(world, createSeededRandom(seed), 'ann')
  for (let at = 0; at < count; at++) await during(world, browser.open('abc'.charAt(at)))
  const now = <T>(call: Promise<T>) => during(world, call)
  const [first] = browser.tabs
  first?.client.connect()
  await now(first?.client.chats.create({ id: 'oslo', title: 'Oslo' }) as Promise<unknown>)
  await now(first?.client.synced({ timeoutMs: 60_000 }) as Promise<unknown>)
  await world.advance(100)
  return { world, browser, tabs: browser.tabs, now }
}

const tabOf = ({ tabs }: Scene, at: number): SimulatedTab => tabs[at] as SimulatedTab
const contents = (messages: readonly { readonly content: string }[]) => messages.map(({ content }) => content)

async function onPhone({ world }: Scene): Promise<string[]> {
  const { messages } = await during(world, clientOf(world, 'phone').chats.read('oslo'))
  return contents(messages)
}

describe('several tabs', () => {
  it('[TABS1][C10] one leads, the others work through it, and each has everything', async () => {
    const scene = await start('one leads', 3)
    const [a, b, c] = [tabOf(scene, 0), tabOf(scene, 1), tabOf(scene, 2)]
    expect(scene.tabs.map(({ client }) => client.role)).toEqual(['leader', 'follower', 'follower'])
    expect(new Set(scene.tabs.map(({ client }) => client.deviceId)).size).toBe(1)
    const open = await scene.now(c.client.chats.open('oslo'))
    await scene.now(b.client.chats.send('oslo', 'from b'))
    await scene.now(open.send('from c'))
    await scene.now(a.client.chats.send('oslo', 'from a'))
    await scene.world.advance(100)
    expect(contents(open.messages)).toEqual(['from b', 'from c', 'from a'])
    await scene.now(b.client.settings.set('activeModel', 'opus'))
    expect(await scene.now(c.client.settings.get('activeModel'))).toBe('opus')
    const found = await scene.now(c.client.chats.search('from'))
    expect(contents(found.messages.map(({ message }) => message)).sort()).toEqual([
      'from a',
      'from b',
      'from c',
    ])
    await scene.now(b.client.chats.share('oslo', 'b'.repeat(64), { role: 'read' }))
    await scene.world.advance(100)
    expect(c.client.chats.members('oslo')).toEqual([{ pubkey: 'b'.repeat(64), role: 'read' }])
    expect(await scene.now(c.client.saved({ timeoutMs: 60_000 }))).toBe(true)
    expect(await scene.now(b.client.synced({ timeoutMs: 60_000 }))).toBe(true)
    await scene.world.advance(5_000)
    expect(await onPhone(scene)).toEqual(['from b', 'from c', 'from a'])
    const history = await scene.now(b.client.chats.history('oslo'))
    expect(contents(history.at(-1)?.messages ?? [])).toEqual(['from b', 'from c', 'from a'])
    expect(await scene.now(b.client.rebuild())).toBeGreaterThan(0)
    expect(scene.browser.faults).toEqual([])
  })

  it('[TABS1] each tab shows lists, windows and settings that follow what other tabs do', async () => {
    const scene = await start('views', 2)
    const [a, b] = [tabOf(scene, 0), tabOf(scene, 1)]
    const list = b.client.chats.watch()
    const window = b.client.chats.messages('oslo', { last: 2 })
    const settings = b.client.settings.watch()
    const training = b.client.training.watch()
    let told = 0
    for (const view of [list, window, settings, training]) view.subscribe(() => told++)
    await scene.world.advance(100)
    expect(list.getSnapshot()?.map(({ title }) => title)).toEqual(['Oslo'])
    for (const text of ['one', 'two', 'three']) await scene.now(a.client.chats.send('oslo', text))
    await scene.now(a.client.settings.set('activeModel', 'opus'))
    await scene.now(a.client.training.setConsent(true))
    const { messages } = await scene.now(a.client.chats.read('oslo'))
    await scene.now(a.client.training.submit('oslo', messages[0]?.id ?? '', 4))
    await scene.world.advance(100)
    expect(list.getSnapshot()?.[0]?.messageCount).toBe(3)
    expect(contents(window.getSnapshot()?.messages ?? [])).toEqual(['one', 'two', 'three'])
    expect(settings.getSnapshot()?.preferences.activeModel).toBe('opus')
    expect(training.getSnapshot()?.map(({ content }) => content)).toEqual(['one'])
    expect(told).toBeGreaterThan(4)
    // A message that stays as it was stays the same object.
    const before = window.getSnapshot()?.messages[2]
    await scene.now(b.client.chats.send('oslo', 'four'))
    await scene.world.advance(100)
    expect(window.getSnapshot()?.messages.find(({ content }) => content === 'three')).toBe(before)
  })

  it('[TABS2][C10] an edit whose leader is killed between commit and answer is there once', async () => {
    const scene = await start('between', 2)
    const [a, b] = [tabOf(scene, 0), tabOf(scene, 1)]
    const address = b.client.chats.addressOf('oslo')
    scene.browser.muted.add('a')
    const sent = b.client.chats.send('oslo', 'once')
    // Until it is on the disk, and b knows nothing of that.
    for (let ms = 0; ms < 500; ms++) {
      if (textsOf(await storedDocument(scene.browser.disk.contents, address)).includes('once')) break
      await scene.world.advance(1)
    }
    a.kill()
    await scene.now(sent)
    await scene.now(b.client.saved({ timeoutMs: 60_000 }))
    expect(b.client.role).toBe('leader')
    expect(textsOf(await storedDocument(scene.browser.disk.contents, address))).toEqual(['once'])
    await scene.world.advance(5_000)
    expect(await onPhone(scene)).toEqual(['once'])
  })

  it('[TABS3] what a tab shows of another is on the disk', async () => {
    const scene = await start('durable', 2)
    const [a, b] = [tabOf(scene, 0), tabOf(scene, 1)]
    const address = b.client.chats.addressOf('oslo')
    const [here, there] = [
      await scene.now(a.client.chats.open('oslo')),
      await scene.now(b.client.chats.open('oslo')),
    ]
    scene.browser.disk.faults.refuse = 1
    await expect(scene.now(here.send('not kept'))).rejects.toMatchObject({ code: 'STORE_FAILED' })
    expect(contents(here.messages)).toEqual(['not kept'])
    await scene.world.advance(3_000)
    expect(contents(there.messages)).toEqual([])
    expect(a.client.unsaved()?.documents).toContain(address)
    scene.browser.disk.faults.refuse = 0
    await scene.now(b.client.chats.rename('oslo', 'Oslo in May'))
    await scene.world.advance(3_000)
    expect(contents(there.messages)).toEqual(['not kept'])
    expect(textsOf(await storedDocument(scene.browser.disk.contents, address))).toEqual(['not kept'])
  })

  it('[TABS4] nothing is called saved that no leader has, and each edit is counted', async () => {
    const scene = await start('counted', 2)
    const [a, b] = [tabOf(scene, 0), tabOf(scene, 1)]
    await scene.now(b.client.saved({ timeoutMs: 60_000 }))
    const address = b.client.chats.addressOf('oslo')
    const chat = await scene.now(b.client.chats.open('oslo'))
    a.kill()
    const sent = chat.send('while nobody leads')
    expect(b.client.status.unsent).toBe(1)
    expect(b.client.stateOf(address)).toBe('local')
    expect(b.client.unsaved()).toEqual({
      edits: 1,
      documents: [address],
      message: '1 edit not saved yet',
    })
    const counts: number[] = []
    b.client.onStatus((status: SyncStatus) => counts.push(status.unsent))
    await scene.now(sent)
    const edit = b.client.lastEdit(address)
    expect(edit.seq).toBeGreaterThan(0)
    expect(['local', 'sent']).toContain(b.client.stateOf(edit))
    await scene.now(b.client.saved({ timeoutMs: 60_000 }))
    expect(b.client.stateOf(edit)).toBe('saved')
    expect(b.client.unsaved()).toBeUndefined()
    expect(Math.max(...counts)).toBe(1)
    expect(counts.at(-1)).toBe(0)
  })

  it('[TABS5] after a hand-over a tab shows the same, in the same objects, and goes on', async () => {
    const scene = await start('goes on', 3)
    const [a, b, c] = [tabOf(scene, 0), tabOf(scene, 1), tabOf(scene, 2)]
    const chat = await scene.now(c.client.chats.open('oslo'))
    const { doc } = chat
    const view = c.client.chats.messages('oslo')
    view.subscribe(() => {})
    await scene.now(chat.send('before'))
    await scene.now(b.client.chats.setDraft('oslo', 'half a thought'))
    const stream = chat.stream({ id: 'reply' })
    stream.push('The first half, ')
    await scene.world.advance(200)
    const [message] = chat.messages
    expect(b.client.status.connection).toBe('live')
    a.kill()
    stream.push('and the second.')
    await scene.world.advance(5_000)
    expect([b.client.role, c.client.role].sort()).toEqual(['follower', 'leader'])
    expect(chat.doc).toBe(doc)
    expect(chat.messages[0]).toBe(message)
    expect(chat.draft).toBe('half a thought')
    expect(chat.messages[1]?.status).toBe('streaming')
    expect(contents(view.getSnapshot()?.messages ?? [])).toEqual([
      'before',
      'The first half, and the second.',
    ])
    expect(c.client.status.connection).toBe('live')
    await scene.now(stream.complete())
    expect(await scene.now(chat.undo())).toBe(true)
    await scene.now(c.client.saved({ timeoutMs: 60_000 }))
    await scene.world.advance(5_000)
    expect(await onPhone(scene)).toEqual(['The first half, and the second.'])
  })

  it('[TABS6] a tab that leads goes by itself, though one that is gone said late that it leads, and the disk hadn’t counted that', async () => {
    const scene = await start('late', 2)
    const [a, b] = [tabOf(scene, 0), tabOf(scene, 1)]
    let lead: Record<string, unknown> = {}
    scene.browser.onPosted = (_from, message) => {
      if ((message as { type: string }).type === 'lead') lead = message as Record<string, unknown>
    }
    a.kill()
    await scene.world.advance(1_000)
    expect(b.client.role).toBe('leader')
    const channel = scene.browser.ports('gone').join(() => {})
    channel.post({ ...lead, term: 'of the one that is gone', from: 'gone', to: null })
    await scene.world.advance(1_000)
    await scene.now(b.client.chats.send('oslo', 'goes on'))
    expect(await scene.now(b.client.saved({ timeoutMs: 60_000 }))).toBe(true)
    // Another one may be taken in, and finds the right one by itself.
    const c = await scene.now(scene.browser.open('third'))
    await scene.now(c.client.chats.read('oslo'))
    channel.post({ ...lead, term: 'of the one that is gone', from: 'gone', to: null })
    await scene.world.advance(1_000)
    await scene.now(c.client.chats.send('oslo', 'this one, too'))
    await scene.world.advance(5_000)
    expect(await onPhone(scene)).toEqual(['goes on', 'this one, too'])
  })

  it('[TABS5] what the tab that led kept last, and told nobody, is shown after the hand-over', async () => {
    const scene = await start('untold', 2)
    const [a, b] = [tabOf(scene, 0), tabOf(scene, 1)]
    const chat = await scene.now(b.client.chats.open('oslo'))
    const list = b.client.chats.watch()
    const window = b.client.chats.messages('oslo')
    const settings = b.client.settings.watch()
    for (const view of [list, window, settings]) view.subscribe(() => {})
    await scene.world.advance(100)
    scene.browser.muted.add('a')
    await scene.now(a.client.chats.send('oslo', 'the last word'))
    await scene.now(a.client.chats.setDraft('oslo', 'and what was to come'))
    await scene.now(a.client.settings.set('activeModel', 'opus'))
    expect(list.getSnapshot()?.[0]?.messageCount).toBe(0)
    a.kill()
    await scene.world.advance(1_000)
    expect(list.getSnapshot()?.[0]).toMatchObject({ messageCount: 1, draft: 'and what was to come' })
    expect(contents(window.getSnapshot()?.messages ?? [])).toEqual(['the last word'])
    expect(settings.getSnapshot()?.preferences.activeModel).toBe('opus')
    expect(contents(chat.messages)).toEqual(['the last word'])
    expect(chat.draft).toBe('and what was to come')
  })

  it('[TABS5] what a tab was writing that is gone is marked as interrupted, and what another writes is not', async () => {
    const scene = await start('interrupted', 3)
    const [a, b, c] = [tabOf(scene, 0), tabOf(scene, 1), tabOf(scene, 2)]
    const streams = await Promise.all(
      [a, b, c].map(async ({ client, name }) => scene.now(client.chats.stream('oslo', { id: name }))),
    )
    for (const stream of streams) stream.push('half')
    await scene.world.advance(300)
    const statuses = async (tab: SimulatedTab) => {
      const { messages } = await scene.now(tab.client.chats.read('oslo'))
      return messages.map(({ id, status }) => `${id} ${status}`)
    }
    b.kill()
    await scene.world.advance(300)
    expect((await statuses(c)).sort()).toEqual(['a streaming', 'b aborted', 'c streaming'])
    a.kill()
    await scene.world.advance(500)
    expect((await statuses(c)).sort()).toEqual(['a aborted', 'b aborted', 'c streaming'])
    await scene.now(streams[2]?.complete() as Promise<unknown>)
    expect((await statuses(c)).sort()).toEqual(['a aborted', 'b aborted', 'c complete'])
  })

  it('[TABS6] a tab of another account is refused, and its signer never asked', async () => {
    const scene = await start('another account', 1)
    const bob = createBrowser(scene.world, createSeededRandom('bob'), 'bob')
    const wrong = scene.browser.open('d', {
      signer: {
        getPublicKey: async () => 'b'.repeat(64),
        signEvent: () => Promise.reject(new Error('asked')),
      },
    })
    await expect(scene.now(wrong)).rejects.toMatchObject({ code: 'IDENTITY_MISMATCH' })
    expect(bob.faults).toEqual([])
    await scene.now(tabOf(scene, 0).client.chats.send('oslo', 'still fine'))
  })

  it('[TABS6] tabs of different versions of an app notice, on either side', async () => {
    const scene = await start('versions', 1)
    const heard: unknown[] = []
    const other = scene.browser.ports('other')
    const channel = other.join((message) => heard.push(message))
    channel.post({ onyx: 99, from: 'other', to: null, type: 'hello' })
    await scene.world.advance(100)
    // A tab of a later version is told who leads, and by which version's rules.
    expect(heard).toContainEqual(expect.objectContaining({ onyx: TAB_PROTOCOL, type: 'lead' }))
    // And one of this version that another one leads.
    channel.post({ onyx: 99, from: 'other', to: null, type: 'lead', term: 'later', count: 9 })
    await scene.world.advance(100)
    expect(tabOf(scene, 0).client.status.problem).toMatchObject({ code: 'TAB_OUTDATED' })
  })

  it('[TABS6] what is no message of ours, or not of its shape, changes nothing', async () => {
    const scene = await start('nonsense', 2)
    const [a, b] = [tabOf(scene, 0), tabOf(scene, 1)]
    const chat = await scene.now(b.client.chats.open('oslo'))
    const heard: Record<string, unknown>[] = []
    const other = scene.browser.ports('other')
    await scene.now(other.lock('tab other'))
    const channel = other.join((message) => heard.push(message as Record<string, unknown>))
    channel.post({ onyx: TAB_PROTOCOL, from: 'other', to: null, type: 'hello' })
    await scene.world.advance(100)
    const { term } = heard.find(({ type }) => type === 'lead') as { term: string }
    const nonsense: unknown[] = [
      null,
      'text',
      [],
      { type: 'push' },
      {
        onyx: TAB_PROTOCOL,
        from: 'other',
        to: null,
        type: 'push',
        term,
        push: { status: { unsent: 'many' } },
      },
      {
        onyx: TAB_PROTOCOL,
        from: 'other',
        to: null,
        type: 'push',
        term,
        push: { updates: { address: 'x', list: [['', 'y']] } },
      },
      { onyx: TAB_PROTOCOL, from: 'other', to: null, type: 'push', term, push: { rows: { chats: [['x']] } } },
      { onyx: TAB_PROTOCOL, from: 'other', to: null, type: 'answer', term, id: -1, value: 1, error: null },
      {
        onyx: TAB_PROTOCOL,
        from: 'other',
        to: null,
        type: 'answer',
        term,
        id: 1,
        value: 1,
        error: { code: 'NONE', message: '' },
      },
      { onyx: TAB_PROTOCOL, from: 'other', to: null, type: 'call', term, id: 'x', method: 'edit', args: [] },
      {
        onyx: TAB_PROTOCOL,
        from: 'other',
        to: null,
        type: 'attach',
        term,
        pubkey: 7,
        connects: true,
        streams: [],
      },
    ]
    for (const message of nonsense) channel.post(message)
    await scene.world.advance(100)
    // One that joins has to ask in a known way.
    channel.post({
      ...{ onyx: TAB_PROTOCOL, from: 'other', to: null, type: 'attach', term, pubkey: a.client.pubkey },
      ...{ connects: false, streams: [] },
    })
    const calls: [string, unknown[]][] = [
      ['edit', [chat.address, new Uint8Array([1, 2, 3])]],
      ['edit', [chat.address, 'no bytes']],
      ['edit', ['no address', Y.encodeStateAsUpdate(new Y.Doc())]],
      ['rows', ['sync_meta', null]],
      ['constructor', []],
      ['nothing', []],
      ['hold', [{ recent: -1 }]],
    ]
    for (const [at, [method, args]] of calls.entries())
      channel.post({
        onyx: TAB_PROTOCOL,
        from: 'other',
        to: null,
        type: 'call',
        term,
        id: at + 1,
        method,
        args,
      })
    await scene.world.advance(500)
    const errors = heard
      .filter(({ type }) => type === 'answer')
      .map(({ error }) => (error as { code: string }).code)
    expect(errors.sort()).toEqual(['UPDATE_INVALID', ...calls.slice(1).map(() => 'VALUE_INVALID')])
    await scene.now(chat.send('still fine'))
    expect(contents(chat.messages)).toEqual(['still fine'])
    expect(b.client.status.problem).toBeUndefined()
  })

  it('[TABS7] what would be more if it were done twice is done once, though it is asked for again', async () => {
    const scene = await start('once', 2)
    const [a, b] = [tabOf(scene, 0), tabOf(scene, 1)]
    await scene.now(b.client.training.setConsent(true))
    const { id } = await scene.now(b.client.chats.send('oslo', 'to be contributed'))
    const { contents: disk } = scene.browser.disk
    scene.browser.muted.add('a')
    const submitted = b.client.training.submit('oslo', id, 5)
    for (let ms = 0; ms < 500; ms++) {
      if ((await disk.loadRows('training')).length > 0) break
      await scene.world.advance(1)
    }
    const [row] = await disk.loadRows('training')
    a.kill()
    const contribution = await scene.now(submitted)
    expect(contribution.id).toBe(row?.id)
    expect(await disk.loadRows('training')).toHaveLength(1)

    const c = await scene.now(scene.browser.open('c'))
    scene.browser.muted.add('b')
    const shared = c.client.chats.share('oslo', 'b'.repeat(64))
    const seqBefore = await disk.lastSeq()
    for (let ms = 0; ms < 500; ms++) {
      if ((await disk.lastSeq()) > seqBefore) break
      await scene.world.advance(1)
    }
    const seqAfter = await disk.lastSeq()
    b.kill()
    await scene.now(shared)
    // No second decision, which would have a time of its own.
    expect(await disk.lastSeq()).toBe(seqAfter)
    expect(c.client.chats.members('oslo')).toHaveLength(1)
    const documents = await disk.loadDocuments()
    expect(documents.find(({ address }) => address === c.client.chats.addressOf('oslo'))?.members).toContain(
      'b'.repeat(64),
    )
    await scene.now(c.client.training.revoke(contribution.id))
    expect(await scene.now(c.client.training.list())).toEqual([])
  })

  it('[TABS8] a tab that is closed leaves the rest to the others, and logging out closes all', async () => {
    const scene = await start('closed', 3)
    const [a, b, c] = [tabOf(scene, 0), tabOf(scene, 1), tabOf(scene, 2)]
    const roles: string[] = []
    b.client.onRole((role) => roles.push(role))
    const last = a.client.chats.send('oslo', 'the last of a')
    await scene.now(a.client.close())
    await last
    await expect(a.client.chats.send('oslo', 'too late')).rejects.toMatchObject({ code: 'CLIENT_CLOSED' })
    await scene.world.advance(500)
    expect(roles).toEqual(['leader'])
    expect(contents((await scene.now(c.client.chats.read('oslo'))).messages)).toEqual(['the last of a'])

    scene.world.network.setOnline('tab b', false)
    await scene.now(c.client.chats.send('oslo', 'unsent'))
    await expect(scene.now(c.client.logOut())).rejects.toMatchObject({ code: 'UNSAVED_EDITS' })
    await scene.now(b.client.chats.send('oslo', 'still open'))
    const { openings } = scene.browser
    await scene.now(c.client.logOut({ discard: true }))
    await scene.world.advance(5_000)
    expect(scene.browser.openings).toBe(openings)
    await expect(b.client.chats.send('oslo', 'too late')).rejects.toMatchObject({ code: 'CLIENT_CLOSED' })
    expect(b.client.status.problem?.code).toBe('CLIENT_CLOSED')
    // Nobody has it open: whoever comes next leads.
    const d = await scene.now(scene.browser.open('d'))
    expect(d.client.role).toBe('leader')
    expect(scene.browser.faults).toEqual([])
  })

  it('[TABS12] a tab that leads and is silent is named in the others, and nothing is taken from it while it lives', async () => {
    const scene = await start('silent', 2)
    const [a, b] = [tabOf(scene, 0), tabOf(scene, 1)]
    const chat = await scene.now(b.client.chats.open('oslo'))
    await scene.world.advance(60_000)
    expect(b.client.status.problem).toBeUndefined()
    const problems: (string | undefined)[] = []
    b.client.onStatus(({ problem }) => problem?.code !== problems.at(-1) && problems.push(problem?.code))

    const goOn = scene.browser.hang('a')
    const { openings } = scene.browser
    let isSent = false
    const sending = chat.send('meanwhile').then(() => {
      isSent = true
    })
    const told: (string | undefined)[] = []
    const opening = scene.browser.open('c', { onWaiting: (problem) => told.push(problem?.code) })
    await scene.world.advance(60_000)
    expect([problems, told, isSent]).toEqual([['TAB_SILENT'], ['TAB_SILENT'], false])
    expect(b.client.status.unsent).toBe(1)
    expect(b.client.role).toBe('follower')
    expect(scene.browser.openings).toBe(openings)

    // It was only slow: what it was asked meanwhile it does once.
    goOn()
    const c = await scene.now(opening)
    await scene.now(sending)
    await scene.world.advance(10_000)
    expect([problems.at(-1), told.at(-1)]).toEqual([undefined, undefined])
    expect(contents((await scene.now(c.client.chats.read('oslo'))).messages)).toEqual(['meanwhile'])

    // And one that is closed is followed at once.
    scene.browser.hang('a')
    const last = c.client.chats.send('oslo', 'the last')
    await scene.world.advance(60_000)
    expect(c.client.status.problem?.code).toBe('TAB_SILENT')
    a.kill()
    await scene.now(last)
    await scene.world.advance(1_000)
    expect([b, c].filter(({ client }) => client.role === 'leader')).toHaveLength(1)
    for (const { client } of [b, c]) {
      expect(client.status.problem).toBeUndefined()
      expect(contents((await scene.now(client.chats.read('oslo'))).messages)).toEqual([
        'meanwhile',
        'the last',
      ])
    }
    expect(scene.browser.faults).toEqual([])
  })

  it.each([
    ['leads', 0],
    ['follows', 1],
  ])('[TABS8] logging out ends a reply that the tab is writing, where it %s', async (_, at) => {
    const scene = await start(`logged out while writing, ${at}`, 3)
    const tab = tabOf(scene, at)
    const reply = await scene.now(tab.client.chats.stream('oslo'))
    const endings: unknown[] = []
    const isOver = () => endings.length > 0
    // A reply that goes on and on, whatever becomes of the client, and ends when it is too late.
    const writing = (async () => {
      for (let word = 0; word < 400 || !isOver(); word++) {
        reply.push(`${word} `)
        await new Promise<void>((resolve) => scene.world.clock.setTimeout(resolve, 5))
      }
      await reply.complete()
    })().catch((error: { code: string }) => error.code)
    await scene.world.advance(300)
    const leaving = scene.now(tab.client.logOut({ discard: true })).then(
      () => endings.push('left'),
      (error) => endings.push(error),
    )
    await leaving
    expect(endings).toEqual(['left'])
    await scene.world.advance(5_000)
    expect(await scene.now(writing)).toBe('CLIENT_CLOSED')
    expect(scene.browser.faults).toEqual([])
    const next = await scene.now(scene.browser.open('d'))
    expect(next.client.role).toBe('leader')
  })

  it('[TABS9] a tab holds the documents that it uses, and the leader lets go of them with it', async () => {
    const scene = await start('held', 2)
    const [a, b] = [tabOf(scene, 0), tabOf(scene, 1)]
    await scene.now(a.client.hold({ recent: 100 }))
    await scene.now(a.client.saved({ timeoutMs: 60_000 }))
    await scene.world.advance(5_000)
    const chat = await scene.now(b.client.chats.open('oslo'))
    await expect(scene.now(a.client.chats.evict('oslo'))).rejects.toMatchObject({ code: 'DOCUMENT_IN_USE' })
    chat.release()
    await scene.world.advance(3_000)
    await scene.now(a.client.chats.evict('oslo'))
    const again = await scene.now(b.client.chats.open('oslo'))
    expect(again.title).toBe('Oslo')
    b.kill()
    await scene.world.advance(200)
    await scene.now(a.client.chats.evict('oslo'))
  })

  it('[TABS10] all tabs are one in a document: what the last of them said and still says', async () => {
    const scene = await start('presence', 3)
    const [a, b, c] = [tabOf(scene, 0), tabOf(scene, 1), tabOf(scene, 2)]
    await scene.now(a.client.saved({ timeoutMs: 60_000 }))
    await scene.world.advance(5_000)
    const address = a.client.chats.addressOf('oslo')
    const seen = clientOf(scene.world, 'phone').presence(address)
    const states = () => seen.states().map(({ state }) => state)
    const [inB, inC] = [b.client.presence(address), c.client.presence(address)]
    inB.setLocal({ typing: 'b' })
    await scene.world.advance(5_000)
    inC.setLocal({ typing: 'c' })
    await scene.world.advance(5_000)
    expect(states()).toEqual([{ typing: 'c' }])
    expect(inB.states()).toEqual(inC.states())
    expect(inB.states()[0]).toMatchObject({ isLocal: true, state: { typing: 'c' } })
    expect(() => inB.setLocal([] as never)).toThrow(/JSON object/)
    a.kill()
    await scene.world.advance(30_000)
    expect(states().at(-1)).toBeDefined()
    c.kill()
    await scene.world.advance(60_000)
    expect(states()).toEqual([{ typing: 'b' }])
    inB.leave()
    await scene.world.advance(60_000)
    expect(states()).toEqual([])
  })
})

describe('several tabs, with other accounts', () => {
  it('[TABS1] whichever tab writes to a chat of somebody else, it is its account that did', async () => {
    const world = await startWorld('shared', { bob: ['desk'] })
    const browser = createBrowser(world, createSeededRandom('shared'), 'ann')
    const now = <T>(call: Promise<T>) => during(world, call)
    for (const name of ['a', 'b']) await now(browser.open(name))
    const [a, b] = browser.tabs as [SimulatedTab, SimulatedTab]
    a.client.connect()
    const desk = clientOf(world, 'desk')
    await now(desk.chats.create({ id: 'plans' }))
    await now(desk.chats.send('plans', 'from bob'))
    await now(desk.chats.share('plans', b.client.pubkey))
    const address = desk.chats.addressOf('plans')
    await world.advance(20_000)
    const chat = await now(b.client.chats.open(address))
    const { id } = await now(chat.send('from ann'))
    await now(b.client.saved({ timeoutMs: 60_000 }))
    a.kill()
    await now(chat.send('and again'))
    expect(await now(b.client.saved({ timeoutMs: 60_000 }))).toBe(true)
    await world.advance(20_000)
    expect(b.client.refused()).toEqual([])
    expect(contents((await now(desk.chats.read('plans'))).messages)).toEqual([
      'from bob',
      'from ann',
      'and again',
    ])
    expect(await now(b.client.chats.authorOf(address, id))).toBe(b.client.pubkey)
    expect(await now(desk.chats.authorOf('plans', id))).toBe(b.client.pubkey)
    const documents = await browser.disk.contents.loadDocuments()
    const own = JSON.parse(documents.find((document) => document.address === address)?.ownWriters ?? '[]')
    const ids = new Set([...chat.doc.store.clients.keys()])
    // Under the client ids of the tab's own copies, which nobody else could send.
    expect(own.length).toBeGreaterThan(0)
    for (const clientId of own as number[]) expect(ids).toContain(clientId)

    await now(desk.chats.share('plans', b.client.pubkey, { role: 'read' }))
    await world.advance(20_000)
    await expect(now(chat.send('not any more'))).rejects.toMatchObject({ code: 'WRITE_RESTRICTED' })
  })

  it('[TABS4] many edits that wait for a network are told in few words', async () => {
    const scene = await start('many', 2)
    const [, b] = [tabOf(scene, 0), tabOf(scene, 1)]
    await scene.now(b.client.saved({ timeoutMs: 60_000 }))
    scene.world.network.setOnline('tab a', false)
    await scene.world.advance(1_000)
    let ranges = 0
    scene.browser.onPosted = (_from, message) => {
      const { push } = message as { push?: { lanes?: { ranges: unknown[] }[] } }
      for (const lane of push?.lanes ?? []) ranges = Math.max(ranges, lane.ranges.length)
    }
    const chat = await scene.now(b.client.chats.open('oslo'))
    const address = chat.address
    const before = b.client.lastEdit(address)
    for (let number = 0; number < 50; number++) await scene.now(chat.send(`message ${number}`))
    const edit = b.client.lastEdit(address)
    expect(edit.seq).toBeGreaterThan(before.seq)
    expect(b.client.stateOf(before)).toBe('saved')
    expect(b.client.stateOf(edit)).toBe('local')
    expect(b.client.status.unsent).toBe(50)
    expect(ranges).toBeGreaterThan(0)
    expect(ranges).toBeLessThan(4)
    scene.world.network.setOnline('tab a', true)
    expect(await scene.now(b.client.saved({ timeoutMs: 120_000 }))).toBe(true)
    expect(b.client.stateOf(edit)).toBe('saved')
  })

  it('[TABS4] what the server refuses is listed in every tab, and can be tried again from any', async () => {
    const world = await startWorld('refused', { bob: ['desk'] })
    const browser = createBrowser(world, createSeededRandom('refused'), 'ann')
    const now = <T>(call: Promise<T>) => during(world, call)
    for (const name of ['a', 'b']) await now(browser.open(name))
    const [a, b] = browser.tabs as [SimulatedTab, SimulatedTab]
    a.client.connect()
    const desk = clientOf(world, 'desk')
    await now(desk.chats.create({ id: 'plans' }))
    await now(desk.chats.share('plans', b.client.pubkey))
    const address = desk.chats.addressOf('plans')
    await world.advance(20_000)
    const chat = await now(b.client.chats.open(address))
    world.network.setOnline('tab a', false)
    await now(desk.chats.unshare('plans', b.client.pubkey))
    await world.advance(5_000)
    await now(chat.send('too late'))
    world.network.setOnline('tab a', true)
    await world.advance(60_000)
    for (const { client } of [a, b]) {
      expect(client.refused()).toMatchObject([{ lane: address, edits: 1 }])
      expect(client.exportRefused()).toHaveLength(1)
      expect(client.status.refused).toBe(1)
      expect(client.stateOf(address)).toBe('refused')
    }
    await now(desk.chats.share('plans', b.client.pubkey))
    await world.advance(5_000)
    b.client.retryRefused()
    await world.advance(60_000)
    for (const { client } of [a, b]) expect(client.refused()).toEqual([])
    expect(contents((await now(desk.chats.read('plans'))).messages)).toEqual(['too late'])
  })
})

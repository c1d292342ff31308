import { createMemoryStore, type SyncClient, type SyncStore } from '@onyx-sync/client'
import {
  type MessagesResult,
  type SearchState,
  SyncProvider,
  useChat,
  useChats,
  useMessages,
  usePresence,
  useSearch,
  useSettings,
  useSyncClient,
  useSyncStatus,
  useTraining,
  useUnsaved,
} from '@onyx-sync/client/react'
import { act, render, screen, waitFor } from '@testing-library/react'
import { memo, type ReactNode, StrictMode, startTransition, useLayoutEffect, useState } from 'react'
import { hydrateRoot } from 'react-dom/client'
import { renderToString } from 'react-dom/server'
import { expect, it, vi } from 'vitest'
import * as Y from 'yjs'
import { counting, hookWith, openClient, renderWith } from '../support/react.js'

/** A client with a chat of so many messages, `m0` and on. */
async function withMessages(count: number, id = 'chat'): Promise<SyncClient> {
  const client = await openClient()
  await addMessages(client, count, id)
  return client
}

async function addMessages(client: SyncClient, count: number, id: string): Promise<void> {
  await client.chats.create({ id, title: id })
  const chat = await client.chats.open(id)
  await Promise.all(Array.from({ length: count }, (_, n) => chat.send(`text ${n}`, { id: `m${n}` })))
  chat.release()
}

/** Renders something below a client. @returns puts another one in its place */
function renderReplaceably(first: SyncClient, shown: ReactNode): (next: SyncClient) => void {
  let setClient: (client: SyncClient) => void = () => {}
  function App() {
    const [client, set] = useState(first)
    setClient = set
    return <SyncProvider client={client}>{shown}</SyncProvider>
  }
  render(<App />)
  return (next) => act(() => setClient(next))
}

/** Everything begun so far is done and shown. */
const settled = (client: SyncClient) => act(() => client.flush())
const textsOf = (messages: readonly { readonly content: string }[]) => messages.map(({ content }) => content)

it('[RCT1] hooks say loading until there is a client', async () => {
  let give: (client: SyncClient) => void = () => {}
  const promise = new Promise<SyncClient>((resolve) => {
    give = resolve
  })
  const { result } = hookWith(promise, () => ({
    client: useSyncClient(),
    chats: useChats(),
    chat: useChat('chat'),
    messages: useMessages('chat'),
    settings: useSettings(),
    status: useSyncStatus(),
    unsaved: useUnsaved(),
  }))
  expect(result.current.client).toBeUndefined()
  for (const part of ['chats', 'chat', 'messages', 'settings'] as const)
    expect(result.current[part]).toMatchObject({ status: 'loading', error: undefined })
  expect(result.current.status).toMatchObject({ connection: 'offline', unsent: 0 })
  const client = await withMessages(1)
  await act(async () => give(client))
  await waitFor(() => expect(result.current.chat).toMatchObject({ status: 'ready', title: 'chat' }))
  await waitFor(() => expect(result.current.messages.messages).toHaveLength(1))
  expect(result.current.client).toBe(client)
  expect(result.current.settings).toMatchObject({ status: 'ready', preferences: {} })
  expect(result.current.unsaved?.message).toMatch(/edits not saved yet/)
})

it('[RCT1] hooks say why where there can be no client, and throw without a provider', async () => {
  const store = createMemoryStore()
  await openClient({ store: { ...store, close: async () => {} } })
  const { result } = hookWith(openClient({ store, key: 2 }), () => ({
    chats: useChats(),
    chat: useChat('chat'),
    messages: useMessages('chat'),
    search: useSearch('x'),
    status: useSyncStatus((status) => status.problem),
  }))
  await waitFor(() => expect(result.current.chats.status).toBe('failed'))
  for (const part of ['chats', 'chat', 'messages', 'search'] as const)
    expect(result.current[part].error).toMatchObject({ code: 'IDENTITY_MISMATCH' })
  expect(result.current.status).toMatchObject({ code: 'IDENTITY_MISMATCH' })

  const Outside = () => <p>{useChats().status}</p>
  const silent = vi.spyOn(console, 'error').mockImplementation(() => {})
  expect(() => render(<Outside />)).toThrow(/<SyncProvider client=/)
  silent.mockRestore()
})

it('[RCT1] another client takes the place of the first everywhere', async () => {
  const [first, second] = [counting(await withMessages(1)), await openClient({ key: 2 })]
  await second.chats.create({ id: 'chat', title: 'second' })
  const Title = () => <p>{useChat('chat').title}</p>
  const setClient = renderReplaceably(first.client, <Title />)
  await screen.findByText('chat')
  setClient(second)
  await screen.findByText('second')
  expect(first.open).toEqual({ chats: 0, views: 0, listeners: 0, presences: 0 })
})

it('[RCT2] opens once for all who show the same, and closes after the last', async () => {
  const { client, open, opened } = counting(await withMessages(3))
  const Screen = () => {
    const { title } = useChat('chat')
    useChats()
    useSettings()
    useSyncStatus()
    usePresence('chat')
    return <p>{title}</p>
  }
  const { show } = renderWith(client, [<Screen key="a" />, <Screen key="b" />])
  expect(await screen.findAllByText('chat')).toHaveLength(2)
  expect(opened).toEqual({ chats: 1, views: 2, presences: 1 })
  // One screen for another, in one go: nothing is opened again.
  show([<Screen key="c" />])
  await settled(client)
  expect(opened).toEqual({ chats: 1, views: 2, presences: 1 })
  expect(open).toMatchObject({ chats: 1, views: 2, presences: 1 })
  show(null)
  await settled(client)
  expect(open).toEqual({ chats: 0, views: 0, listeners: 0, presences: 0 })
})

it('[RCT2] a component that goes while its chat is being opened leaves nothing open', async () => {
  const { client, open, opened } = counting(await withMessages(1))
  const { result, unmount } = hookWith(client, () => [useChat('chat'), useMessages('chat')] as const)
  const shown = result.current
  unmount()
  await client.flush()
  await new Promise((resolve) => setImmediate(resolve))
  expect(opened.chats).toBe(1)
  expect(open).toEqual({ chats: 0, views: 0, listeners: 0, presences: 0 })
  await client.chats.send('chat', 'nobody looks')
  expect(result.current).toBe(shown)
})

it('[RCT2] a window of messages is opened once in strict mode, and one for each component', async () => {
  const { client, open, opened } = counting(await withMessages(10))
  const { result, rerender, unmount } = hookWith<MessagesResult, number>(
    client,
    (last) => useMessages('chat', { last }),
    3,
  )
  await waitFor(() => expect(result.current.messages).toHaveLength(3))
  expect(opened.views).toBe(1)
  rerender(5)
  await waitFor(() => expect(result.current.messages).toHaveLength(5))
  expect(open.views).toBe(1)
  unmount()
  await client.flush()
  expect(open).toEqual({ chats: 0, views: 0, listeners: 0, presences: 0 })
})

it('[RCT3] what streams renders its own row, and no other component', async () => {
  const client = await withMessages(30)
  await addMessages(client, 2, 'other')
  const renders: Record<string, number> = {}
  const count = (name: string) => {
    renders[name] = (renders[name] ?? 0) + 1
  }
  const Row = memo(({ message }: { message: { id: string; content: string } }) => {
    count(message.id)
    return <p>{message.content}</p>
  })
  const Messages = ({ of }: { of: string }) => {
    const { messages } = useMessages(of)
    count(`window ${of}`)
    return messages.map((message) => <Row key={message.id} message={message} />)
  }
  const Frame = ({ of }: { of: string }) => {
    const { title } = useChat(of)
    count(`frame ${of}`)
    return <h1>{title}</h1>
  }
  renderWith(client, [
    <Frame key="a" of="chat" />,
    <Messages key="b" of="chat" />,
    <Frame key="c" of="other" />,
    <Messages key="d" of="other" />,
  ])
  await screen.findByText('text 29')
  await screen.findByRole('heading', { name: 'other' })
  const chat = await client.chats.open('chat')
  const reply = chat.stream({ id: 'reply' })
  await act(() => reply.started)
  await waitFor(() => expect(renders.reply).toBeGreaterThan(0))
  const before = { ...renders }
  for (const token of ['one', ' two', ' three']) {
    reply.push(token)
    await act(() => client.flush())
  }
  await screen.findByText('one two three')
  await act(() => reply.complete())
  chat.release()
  const changed = Object.keys(renders).filter((name) => renders[name] !== before[name])
  expect(changed.sort()).toEqual(['reply', 'window chat'])
})

it('[RCT4] a window shows the newest, and older ones on demand, without a new object for any of them', async () => {
  const client = await withMessages(100)
  const { result } = hookWith(client, () => useMessages('chat', { last: 10 }))
  await waitFor(() => expect(result.current.status).toBe('ready'))
  const first = result.current
  expect(first).toMatchObject({ start: 90, total: 100, hasOlder: true, hasNewer: false })
  act(() => first.loadOlder())
  await waitFor(() => expect(result.current.start).toBe(80))
  expect(result.current.messages.slice(10)).toEqual(first.messages)
  for (const [index, message] of first.messages.entries())
    expect(result.current.messages[10 + index]).toBe(message)
  act(() => first.loadOlder(1000))
  await waitFor(() => expect(result.current).toMatchObject({ start: 0, hasOlder: false }))
  expect(result.current.messages).toHaveLength(100)
})

it('[RCT4] what is shown stays in place when messages come and go before it', async () => {
  const client = await withMessages(50)
  const { result } = hookWith(client, () => useMessages('chat', { last: 10 }))
  await waitFor(() => expect(result.current.status).toBe('ready'))
  const { messages } = result.current
  const chat = await client.chats.open('chat')
  // As edits come in that another device made an hour ago.
  await act(() => {
    const entries = Object.entries({
      id: 'late',
      role: 'user',
      content: 'late',
      createdAt: 1,
      status: 'complete',
    })
    chat.doc.getArray('messages').insert(3, [new Y.Map(entries)])
    return client.flush()
  })
  await waitFor(() => expect(result.current).toMatchObject({ start: 41, total: 51 }))
  expect(result.current.messages).toEqual(messages)
  await act(() => client.chats.deleteMessage('chat', 'm5'))
  await act(() => client.chats.deleteMessage('chat', 'm6'))
  await waitFor(() => expect(result.current.total).toBe(49))
  expect(result.current.messages).toEqual(messages)
  expect(result.current.messages.every((message, index) => message === messages[index])).toBe(true)
  await act(() => client.chats.deleteMessage('chat', 'm40'))
  await waitFor(() => expect(result.current.messages[0]?.id).toBe('m39'))
  expect(result.current.messages.slice(1)).toEqual(messages.slice(1))
  chat.release()
})

it('[RCT4] a window around a place reaches both ways, and follows once it has reached the end', async () => {
  const client = await withMessages(100)
  const { result } = hookWith(client, () => useMessages('chat', { last: 10, around: 50 }))
  await waitFor(() => expect(result.current.status).toBe('ready'))
  expect(textsOf(result.current.messages)).toEqual(Array.from({ length: 10 }, (_, n) => `text ${45 + n}`))
  expect(result.current).toMatchObject({ hasOlder: true, hasNewer: true })
  await act(() => client.chats.send('chat', 'new').then(() => client.flush()))
  expect(result.current.messages).toHaveLength(10)
  const [kept] = result.current.messages
  act(() => result.current.loadNewer(20))
  await waitFor(() => expect(result.current.messages).toHaveLength(30))
  expect(result.current.messages[0]).toBe(kept)
  act(() => result.current.loadNewer(1000))
  await waitFor(() => expect(result.current).toMatchObject({ start: 45, hasNewer: false, total: 101 }))
  await act(() => client.chats.send('chat', 'newest'))
  await waitFor(() => expect(result.current.messages.at(-1)?.content).toBe('newest'))
  act(() => result.current.loadOlder(5))
  await waitFor(() => expect(result.current.start).toBe(40))
})

it('[RCT5] a chat that is not there is a value, and is shown once it has come', async () => {
  const client = await openClient()
  const { result } = hookWith(client, () => ({
    chat: useChat('later'),
    messages: useMessages('later'),
    presence: usePresence('later'),
    none: useChat(undefined),
  }))
  await waitFor(() => expect(result.current.chat.status).toBe('failed'))
  for (const part of ['chat', 'messages', 'presence'] as const)
    expect(result.current[part].error).toMatchObject({ code: 'DOCUMENT_NOT_FOUND' })
  expect(result.current.none).toMatchObject({ status: 'loading', chat: undefined })
  await act(() => addMessages(client, 2, 'later'))
  await waitFor(() => expect(result.current.messages.messages).toHaveLength(2))
  await waitFor(() => expect(result.current.chat).toMatchObject({ status: 'ready', title: 'later' }))
  expect(result.current.presence).toMatchObject({ status: 'ready', error: undefined })
})

it('[RCT5] a chat that is deleted says so; one that is deleted for good is let go of', async () => {
  const { client, open } = counting(await withMessages(2))
  const { result } = hookWith(client, () => ({ chat: useChat('chat'), messages: useMessages('chat') }))
  await waitFor(() => expect(result.current.chat).toMatchObject({ status: 'ready', isDeleted: false }))
  await act(() => client.chats.delete('chat'))
  expect(result.current.chat).toMatchObject({ status: 'ready', isDeleted: true })
  await act(() => client.chats.restore('chat'))
  expect(result.current.chat.isDeleted).toBe(false)
  await act(() => client.chats.deleteForever('chat'))
  await waitFor(() => expect(result.current.chat.error).toMatchObject({ code: 'DELETED' }))
  await waitFor(() => expect(result.current.messages.error).toMatchObject({ code: 'DELETED' }))
  expect(result.current.chat.chat).toBeUndefined()
  expect(result.current.messages.messages).toEqual([])
  expect(open.chats).toBe(0)
})

it('[RCT5] a disk that fails is a value, and what was read before is still shown', async () => {
  const memory = createMemoryStore()
  let isBroken = false
  const store: SyncStore = {
    ...memory,
    loadMessages: (address, range) =>
      isBroken ? Promise.reject(new Error('the disk is gone')) : memory.loadMessages(address, range),
  }
  const client = await openClient({ store })
  await addMessages(client, 2, 'chat')
  const { result } = hookWith(client, () => useMessages('chat'))
  await waitFor(() => expect(result.current.messages).toHaveLength(2))
  isBroken = true
  await act(() => client.chats.send('chat', 'third'))
  await waitFor(() => expect(result.current.error).toMatchObject({ code: 'STORE_FAILED' }))
  expect(result.current.error?.message).toContain('the disk is gone')
  expect(result.current.messages).toHaveLength(2)
  isBroken = false
  await act(() => client.chats.send('chat', 'fourth'))
  await waitFor(() => expect(result.current).toMatchObject({ status: 'ready', error: undefined }))
  expect(result.current.messages).toHaveLength(4)
})

it('[RCT5] what an app asks for wrongly is a value, too', async () => {
  const client = await withMessages(1)
  const { result } = hookWith(client, () => ({
    messages: useMessages('chat', { last: 0 }),
    search: useSearch('text', { limit: 0 }),
  }))
  await waitFor(() => expect(result.current.search.error).toMatchObject({ code: 'VALUE_INVALID' }))
  expect(result.current.messages.error).toMatchObject({ code: 'VALUE_INVALID' })
})

it('[RCT6] a server renders everything as loading, and its page is taken over without a difference', async () => {
  const client = await withMessages(1)
  const App = () => (
    <SyncProvider client={client}>
      <Page />
    </SyncProvider>
  )
  function Page() {
    const [{ status }, { title }, { messages }] = [useChats(), useChat('chat'), useMessages('chat')]
    return (
      <p>{`${status} ${title} ${messages.length} ${useSyncStatus((s) => s.unsent)} ${useSearch('text').status}`}</p>
    )
  }
  const html = renderToString(<App />)
  expect(html).toBe('<p>loading  0 0 loading</p>')
  const container = document.createElement('div')
  container.innerHTML = html
  document.body.append(container)
  const complaints = vi.spyOn(console, 'error')
  const root = await act(async () => hydrateRoot(container, <App />))
  await waitFor(() => expect(container.textContent).toMatch(/^ready chat 1 [1-9]\d* ready$/))
  expect(complaints.mock.calls).toEqual([])
  complaints.mockRestore()
  act(() => root.unmount())
  container.remove()
})

it('[RCT7] what is on the screen is of one moment, however long rendering takes', async () => {
  const client = await withMessages(1)
  const shown = new Map<string, unknown>()
  let commits = 0
  let mixed = 0
  const Slow = ({ name }: { name: string }) => {
    const { chats } = useChats()
    const until = performance.now() + 1
    while (performance.now() < until);
    useLayoutEffect(() => {
      shown.set(name, chats)
    })
    return null
  }
  function App({ step }: { step: number }) {
    return [...'abcdefghij'].map((key) => <Slow key={key} name={`${key} ${step}`.slice(0, 1)} />)
  }
  /** Its effect comes after those of all that it shows, in the same commit. */
  function look() {
    commits++
    if (new Set(shown.values()).size > 1) mixed++
  }
  let setStep: (step: number) => void = () => {}
  function Stepping() {
    const [step, set] = useState(0)
    setStep = set
    useChats()
    useLayoutEffect(look)
    return <App step={step} />
  }
  renderWith(client, <Stepping />)
  await settled(client)
  // Outside of act, so that React yields between components as it does for users.
  const env = globalThis as { IS_REACT_ACT_ENVIRONMENT?: boolean }
  env.IS_REACT_ACT_ENVIRONMENT = false
  for (let step = 1; step <= 5; step++) {
    startTransition(() => setStep(step))
    // A piece of rendering, then news in the middle of it.
    await new Promise((resolve) => setImmediate(resolve))
    await client.chats.rename('chat', `title ${step}`)
    await new Promise((resolve) => setImmediate(resolve))
    await client.chats.send('chat', `${step}`)
  }
  await new Promise((resolve) => setImmediate(resolve))
  env.IS_REACT_ACT_ENVIRONMENT = true
  await settled(client)
  expect(commits).toBeGreaterThan(3)
  expect(mixed).toBe(0)
})

it('[RCT8] a status that is selected renders only when it differs', async () => {
  const client = await openClient()
  let renders = 0
  const { result } = hookWith(client, () => {
    renders++
    return useSyncStatus(({ connection, problem }) => ({ connection, problem }).connection)
  })
  expect(result.current).toBe('offline')
  const before = renders
  await act(() => client.chats.create({ id: 'chat' }))
  await settled(client)
  expect(client.status.unsent).toBe(1)
  expect(renders).toBe(before)
  const made = hookWith(client, () => useSyncStatus(({ unsent }) => ({ unsent })))
  await act(() => client.chats.send('chat', 'x'))
  await waitFor(() => expect(made.result.current).toEqual({ unsent: 2 }))
})

it('[RCT8] a page that would leave something behind asks before it is closed, if told to', async () => {
  const client = await openClient()
  const { result, unmount } = hookWith(client, () => useUnsaved({ warnOnClose: true }))
  const asks = () => !window.dispatchEvent(new Event('beforeunload', { cancelable: true }))
  expect(result.current).toBeUndefined()
  expect(asks()).toBe(false)
  await act(() => client.chats.create({ id: 'chat' }))
  await waitFor(() => expect(result.current).toMatchObject({ edits: 1, message: '1 edit not saved yet' }))
  expect(result.current?.documents).toEqual([client.chats.addressOf('chat')])
  expect(asks()).toBe(true)
  unmount()
  expect(asks()).toBe(false)
})

it('[RCT9] lists follow every commit, and what stays the same is the same object', async () => {
  const client = await withMessages(1)
  await client.chats.create({ id: 'other', title: 'other' })
  const { result } = hookWith(client, () => ({
    all: useChats(),
    unarchived: useChats({ includeArchived: false }),
    chat: useChat('chat'),
    settings: useSettings<{ model: string }>(),
    training: useTraining(),
  }))
  await waitFor(() => expect(result.current.all.chats).toHaveLength(2))
  await waitFor(() => expect(result.current.chat.status).toBe('ready'))
  const before = result.current
  await act(() => client.chats.archive('other', true))
  await waitFor(() => expect(result.current.unarchived.chats.map(({ id }) => id)).toEqual(['chat']))
  expect(result.current.all.chats.find(({ id }) => id === 'chat')).toBe(
    before.all.chats.find(({ id }) => id === 'chat'),
  )
  expect(result.current.chat).toBe(before.chat)
  expect(result.current.settings).toBe(before.settings)
  await act(() => result.current.settings.settings?.set('model', 'opus') ?? Promise.resolve())
  await act(() => client.settings.setFeature('search', true))
  await waitFor(() =>
    expect(result.current.settings).toMatchObject({
      preferences: { model: 'opus' },
      features: { search: true },
    }),
  )
  expect(result.current.training).toMatchObject({ status: 'ready', hasConsent: false, contributions: [] })
  await act(() => client.training.setConsent(true))
  await act(() => client.training.submit('chat', 'm0', 4))
  await waitFor(() =>
    expect(result.current.training).toMatchObject({ hasConsent: true, contributions: [{ quality: 4 }] }),
  )
  expect(result.current.training.training).toBe(client.training)
})

it('[RCT9] an open chat shows its title, draft, and what can be undone', async () => {
  const client = await openClient()
  await client.chats.create({ id: 'chat', title: 'chat' })
  const { result } = hookWith(client, () => useChat('chat'))
  await waitFor(() => expect(result.current.status).toBe('ready'))
  const { chat } = result.current
  expect(result.current).toMatchObject({ canUndo: false, canRedo: false, draft: '', canWrite: true })
  await act(async () => chat?.rename('Oslo'))
  expect(result.current).toMatchObject({ title: 'Oslo', canUndo: true, chat })
  await act(async () => chat?.undo())
  expect(result.current).toMatchObject({ title: 'chat', canUndo: false, canRedo: true })
  await act(async () => chat?.setDraft('to be said'))
  expect(result.current.draft).toBe('to be said')
  await act(async () => chat?.archive(true))
  expect(result.current.isArchived).toBe(true)
})

it('[RCT10] a search shows what the newest query finds, and nothing that an older one finds later', async () => {
  const memory = createMemoryStore()
  const held: (() => void)[] = []
  const store: SyncStore = {
    ...memory,
    async searchRows(table, query, options) {
      if (query === 'text') await new Promise<void>((resolve) => held.push(resolve))
      return memory.searchRows(table, query, options)
    },
  }
  const client = await openClient({ store })
  await addMessages(client, 20, 'chat')
  const { result, rerender } = hookWith<SearchState, string>(
    client,
    (query) => useSearch(query, { chat: 'chat' }),
    '',
  )
  const found = () => result.current.messages.map(({ message, position }) => [message.content, position])
  expect(result.current).toMatchObject({ status: 'ready', messages: [] })
  rerender('text')
  rerender('text 13')
  await waitFor(() => expect(result.current.status).toBe('ready'))
  expect(found()).toEqual([['text 13', 13]])
  await waitFor(() => expect(held).not.toEqual([]))
  await act(async () => {
    for (let left = 0; left < 5; left++) {
      for (const go of held.splice(0)) go()
      await new Promise((resolve) => setImmediate(resolve))
    }
  })
  expect(found()).toEqual([['text 13', 13]])
  rerender('nowhere')
  expect(result.current).toMatchObject({ status: 'loading' })
  expect(found()).toHaveLength(1)
  await waitFor(() => expect(result.current).toMatchObject({ status: 'ready', messages: [] }))
})

it('[RCT10][RCT3] a search follows what comes and goes, and renders for nothing else', async () => {
  const client = await withMessages(1)
  let renders = 0
  const { result } = hookWith(client, () => {
    renders++
    return useSearch('text')
  })
  const found = () => result.current.messages.map(({ message }) => message.content).sort()
  await waitFor(() => expect(found()).toEqual(['text 0']))
  await act(() => client.chats.send('chat', 'text from elsewhere'))
  await waitFor(() => expect(found()).toEqual(['text 0', 'text from elsewhere']))
  const before = renders
  await act(() => client.chats.send('chat', 'something else'))
  await act(() => new Promise((resolve) => setTimeout(resolve, 700)))
  expect(renders).toBe(before)
  await act(() => client.chats.edit('chat', 'm0', 'nothing of it'))
  await waitFor(() => expect(found()).toEqual(['text from elsewhere']))
})

it('[RCT10] what was found in one account is not shown in the next', async () => {
  const [first, second] = [await withMessages(1), await openClient({ key: 2 })]
  const shown: string[] = []
  function Found() {
    const { status, messages } = useSearch('text')
    shown.push(`${status} ${messages.length}`)
    return <p>{`${status} ${messages.length}`}</p>
  }
  const setClient = renderReplaceably(first, <Found />)
  await screen.findByText('ready 1')
  shown.length = 0
  setClient(second)
  await screen.findByText('ready 0')
  expect(new Set(shown)).toEqual(new Set(['loading 0', 'ready 0']))
})

it('[RCT2] a client that is closed while it is shown throws at nobody', async () => {
  const client = await withMessages(1)
  const { result, unmount } = hookWith(client, () => ({
    chat: useChat('chat'),
    messages: useMessages('chat'),
  }))
  await waitFor(() => expect(result.current.chat.status).toBe('ready'))
  await act(() => client.close())
  act(() => result.current.messages.loadOlder(1))
  unmount()
  render(<StrictMode>gone</StrictMode>)
})

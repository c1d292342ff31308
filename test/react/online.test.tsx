import { join } from 'node:path'
import { withObservables } from '@nozbe/watermelondb/react/index.js'
import { type MessageRow, type SyncClient, type SyncClientOptions, watermelonStore } from '@onyx-sync/client'
import { openNodeDatabase, openNodeStore } from '@onyx-sync/client/node'
import {
  SyncProvider,
  useChat,
  useChats,
  useHistory,
  useMessages,
  usePresence,
} from '@onyx-sync/client/react'
import { act, fireEvent, render, screen, waitFor } from '@testing-library/react'
import { PlainKeySigner } from 'nostr-tools/signer'
import { expect, it } from 'vitest'
import { ChatApp } from '../../client/examples/react/chat-app.js'
import { afterThisTest } from '../support/after-test.js'
import { testKey } from '../support/events.js'
import { hookWith, openClient, renderWith } from '../support/react.js'
import { runServer } from '../support/servers.js'
import { temporaryDirectory } from '../support/temporary-directory.js'

const PRESENCE = 20001

/** A device that is connected and up to date. */
async function openOnline(url: string, options: Partial<SyncClientOptions> & { readonly key?: number } = {}) {
  const client = await openClient({ url, ...options })
  client.connect()
  expect(await client.synced({ timeoutMs: 20_000 })).toBe(true)
  return client
}

const saved = (client: SyncClient) => act(() => client.saved({ timeoutMs: 20_000 }))

it('[RCT11] shows who is there, and says what this device does while a component is mounted, once', async () => {
  const { url } = await runServer()
  const signed: string[] = []
  const plain = new PlainKeySigner(testKey(1).secretKey)
  const signer: SyncClientOptions['signer'] = {
    getPublicKey: () => plain.getPublicKey(),
    signEvent(template) {
      if (template.kind === PRESENCE) signed.push(template.content)
      return plain.signEvent(template)
    },
  }
  const phone = await openOnline(url, { signer })
  const { address } = await phone.chats.create({ id: 'chat' })
  await phone.saved({ timeoutMs: 20_000 })
  const laptop = await openOnline(url)
  const told: unknown[] = []
  const listening = laptop.presence(address)
  listening.onChange((states) => told.push(states.map(({ state }) => state)))

  const { result, rerender, unmount } = hookWith<unknown, { typing: boolean } | undefined>(
    phone,
    (state) => [usePresence('chat', state), usePresence('chat')],
    { typing: true },
  )
  await waitFor(() => expect(told).toEqual([[{ typing: true }]]))
  expect(signed).toHaveLength(1)
  rerender({ typing: true })
  rerender({ typing: false })
  await waitFor(() => expect(told).toEqual([[{ typing: true }], [{ typing: false }]]))
  act(() => listening.setLocal({ reading: true }))
  await waitFor(() =>
    expect(result.current).toMatchObject([{ others: [{ state: { reading: true } }] }, { states: [{}, {}] }]),
  )
  unmount()
  await waitFor(() => expect(told.at(-1)).toEqual([{ reading: true }]))
})

it('[RCT11] a state that can not be said is a value', async () => {
  const client = await openClient()
  await client.chats.create({ id: 'chat' })
  const { result } = hookWith(client, () => usePresence('chat', { text: 'x'.repeat(100_000) }))
  await waitFor(() => expect(result.current.error).toMatchObject({ code: 'VALUE_INVALID' }))
})

it('[RCT12] a history says that it takes a connection, and comes once there is one', async () => {
  const { url } = await runServer()
  const client = await openClient({ url })
  await client.chats.create({ id: 'chat', title: 'Oslo' })
  await client.chats.send('chat', 'one', { id: 'm1' })
  const { result } = hookWith(client, () => useHistory('chat'))
  await waitFor(() => expect(result.current.error).toMatchObject({ code: 'CONNECTION_FAILED' }))
  client.connect()
  await saved(client)
  await waitFor(() => expect(result.current.status).toBe('ready'))
  await act(() => client.chats.send('chat', 'two', { id: 'm2' }))
  await saved(client)
  const before = result.current.entries
  act(() => result.current.reload())
  await waitFor(() => expect(result.current.entries).not.toBe(before))
  expect(result.current.entries.at(-1)?.messages.map(({ content }) => content)).toEqual(['one', 'two'])
})

it('[RCT5] a chat that this account may only read, or was taken out of, says so', async () => {
  const { url } = await runServer()
  const owner = await openOnline(url)
  const { address } = await owner.chats.create({ id: 'chat' })
  await owner.chats.share('chat', testKey(2).publicKey, { role: 'read' })
  await owner.saved({ timeoutMs: 20_000 })
  const member = await openOnline(url, { key: 2 })
  const { result } = hookWith(member, () => useChat(address))
  await waitFor(() => expect(result.current).toMatchObject({ status: 'ready', canWrite: false }))
  await act(() => owner.chats.share('chat', testKey(2).publicKey, { role: 'write' }))
  await waitFor(() => expect(result.current).toMatchObject({ canWrite: true, refused: undefined }))
  await act(() => owner.chats.unshare('chat', testKey(2).publicKey))
  await saved(owner)
  await act(async () => result.current.chat?.send('is anybody there?'))
  await waitFor(() => expect(result.current).toMatchObject({ status: 'ready', canWrite: false }))
  expect(result.current.refused?.reason).toMatch(/^restricted: /)
})

it('[RCT5] a chat that is only listed is brought when it is shown, and stays while it is', async () => {
  const { url } = await runServer()
  const phone = await openOnline(url)
  for (const id of ['a', 'b']) {
    await phone.chats.create({ id, title: `chat ${id}` })
    await phone.chats.send(id, `in ${id}`)
  }
  await phone.saved({ timeoutMs: 20_000 })
  const tablet = await openOnline(url, { hold: { ids: [] } })
  const list = hookWith(tablet, () => useChats())
  await waitFor(() => expect(list.result.current.chats.map(({ isHeld }) => isHeld)).toEqual([false, false]))
  const shown = hookWith(tablet, () => useMessages('a'))
  await waitFor(() => expect(shown.result.current).toMatchObject({ status: 'ready', total: 1 }))
  expect(shown.result.current.messages[0]?.content).toBe('in a')
  await expect(tablet.chats.evict('a')).rejects.toMatchObject({ code: 'DOCUMENT_IN_USE' })
  act(() => tablet.disconnect())
  const later = hookWith(tablet, () => [useChat('b'), useMessages('b')] as const)
  await waitFor(() => {
    for (const part of later.result.current) expect(part.error).toMatchObject({ code: 'DOCUMENT_NOT_HELD' })
  })
  act(() => tablet.connect())
  await waitFor(() => expect(later.result.current[0]).toMatchObject({ status: 'ready', title: 'chat b' }))
  await waitFor(() => expect(later.result.current[1].messages).toHaveLength(1))
})

it("[RCT13] WatermelonDB's own bindings show the query tables below the provider", async () => {
  const { database, close } = await openNodeDatabase({ file: join(temporaryDirectory(), 'app.db') })
  afterThisTest(close)
  const client = await openClient({ store: watermelonStore(database) })
  await client.chats.create({ id: 'chat' })
  const List = ({ rows }: { rows: MessageRow[] }) => <p>{rows.map(({ content }) => content).join(', ')}</p>
  const Observed = withObservables([], () => ({
    rows: database.get<MessageRow>('messages').query().observeWithColumns(['content']),
  }))(List)
  render(
    <SyncProvider client={client} database={database}>
      <Observed />
    </SyncProvider>,
  )
  await act(() => client.chats.send('chat', 'one', { id: 'm1' }))
  await screen.findByText('one')
  await act(() => client.chats.send('chat', 'two'))
  await screen.findByText('one, two')
  await act(() => client.chats.edit('chat', 'm1', 'uno'))
  await screen.findByText('uno, two')
})

it('[RCT14] the example runs as it stands, also without a network', async () => {
  const store = await openNodeStore({ file: join(temporaryDirectory(), 'app.db') })
  const client = await openClient({ store })
  renderWith(client, <ChatApp />)
  fireEvent.click(await screen.findByText('New chat'))
  const input = await screen.findByLabelText<HTMLInputElement>('Message')
  await waitFor(() => expect(input.disabled).toBe(false))
  fireEvent.change(input, { target: { value: 'Hello there' } })
  await act(async () => fireEvent.submit(input))
  await screen.findByText('user: Hello there')
  await screen.findByText('assistant: You said: Hello there')
  await screen.findByRole('heading', { name: 'Hello there' })
  expect(screen.getByRole('status').textContent).toMatch(/^offline, \d+ edits not saved yet$/)
  expect(screen.getByText(/^Hello there \(2\)$/)).toBeDefined()
})

import { readFileSync } from 'node:fs'
import {
  exportToJson,
  exportToMarkdown,
  importOnyx,
  type OnyxRow,
  readImport,
  readOnyxRows,
  type SyncClient,
} from '@onyx-sync/client'
import { chatAddress, formatAddress } from '@onyx-sync/shared'
import { describe, expect, it } from 'vitest'
import * as Y from 'yjs'
import { testKey } from '../support/events.js'
import { openOffline } from '../support/offline.js'
import { clientOf, deviceOf, during, startWorld, storedDocument } from '../support/worlds.js'

const owner = testKey(1)

/** Messages as Onyx keeps them. */
const onyxMessages = [
  { id: 'q1x8', role: 'user', content: 'What is in the README?', createdAt: 1_720_000_000_000 },
  {
    id: 'a2k9',
    role: 'assistant',
    content: 'A title.',
    createdAt: 1_720_000_005_000,
    metadata: {
      conversationId: 'conv-1',
      usage: { promptTokens: 3, completionTokens: 4 },
      finishReason: 'stop',
      toolInvocations: [
        {
          toolCallId: 'call_1',
          toolName: 'view_file',
          args: { path: 'README.md' },
          state: 'result',
          status: 'completed',
          result: { summary: 'one file', content: '# Onyx' },
        },
        {
          id: 'call_2',
          tool_name: 'search',
          input: { q: 'x' },
          output: 'none',
          state: 'result',
          status: 'failed',
        },
      ],
    },
  },
  { id: 'f3', role: 'function', content: '{"ok":true}', createdAt: 1_720_000_006_000, extra: [1] },
]

function onyxRows(firstId = 'q1x8'): OnyxRow[] {
  const messages = onyxMessages.map((message, index) => (index === 0 ? { ...message, id: firstId } : message))
  return [
    { id: 'default', messages: JSON.stringify(messages) },
    { id: 'chat_1720000001000', messages: JSON.stringify(onyxMessages.slice(0, 1)) },
    { id: 'chat_1720000002000', messages: '[]' },
  ]
}

const database = (rows: readonly OnyxRow[]) => ({
  getAllAsync: async (sql: string) => {
    expect(sql).toBe('SELECT id, messages FROM chats')
    return [...rows]
  },
})

async function firstChat(client: SyncClient): Promise<string> {
  return (await client.chats.list())[0]?.id as string
}

describe('moving in from Onyx', () => {
  it('[IMP1] brings all that Onyx kept: calls of tools, usage, unknown fields; `function` becomes `tool`', async () => {
    const { client } = await openOffline()
    expect(await importOnyx(client, database(onyxRows()))).toEqual({
      newChats: 2,
      newMessages: 4,
      knownMessages: 0,
      problems: [],
    })
    const chats = await client.chats.list()
    expect(chats.map(({ id }) => id)).toEqual([
      expect.stringMatching(/^default_[0-9a-f]{12}$/),
      'chat_1720000001000',
    ])
    expect(chats[1]).toMatchObject({ createdAt: 1_720_000_001_000, unreadCount: 0 })
    const { messages } = await client.chats.read(chats[0]?.id as string)
    expect(messages).toEqual([
      {
        id: 'q1x8',
        role: 'user',
        content: 'What is in the README?',
        createdAt: 1_720_000_000_000,
        status: 'complete',
      },
      {
        id: 'a2k9',
        role: 'assistant',
        content: 'A title.',
        createdAt: 1_720_000_005_000,
        status: 'complete',
        conversationId: 'conv-1',
        usage: { promptTokens: 3, completionTokens: 4 },
        finishReason: 'stop',
        tools: [
          {
            id: 'call_1',
            name: 'view_file',
            args: { path: 'README.md' },
            state: 'result',
            status: 'completed',
            result: { summary: 'one file', content: '# Onyx' },
          },
          {
            id: 'call_2',
            name: 'search',
            args: { q: 'x' },
            state: 'result',
            status: 'failed',
            result: 'none',
          },
        ],
      },
      {
        id: 'f3',
        role: 'tool',
        content: '{"ok":true}',
        createdAt: 1_720_000_006_000,
        status: 'complete',
        extra: [1],
      },
    ])
  })

  it('[IMP2][Y8] twice is the same as once, and what was deleted since stays deleted', async () => {
    const { client } = await openOffline()
    await importOnyx(client, database(onyxRows()))
    const id = await firstChat(client)
    await client.chats.edit(id, 'a2k9', 'Another title.')
    await client.chats.deleteMessage(id, 'f3')
    const before = await client.chats.read(id)
    const edits = client.status.unsent
    expect(await importOnyx(client, database(onyxRows()))).toMatchObject({
      newChats: 0,
      newMessages: 0,
      knownMessages: 4,
    })
    expect(await client.chats.read(id)).toEqual(before)
    expect(client.status.unsent).toBe(edits)
    // Onyx was used on after the first import.
    const grown = [
      ...onyxMessages,
      { id: 'n4', role: 'user', content: 'More?', createdAt: 1_720_000_009_000 },
    ]
    await importOnyx(client, database([{ id: 'default', messages: JSON.stringify(grown) }]))
    expect((await client.chats.read(id)).messages.map((message) => message.id)).toEqual([
      'q1x8',
      'a2k9',
      'n4',
    ])
  })

  it('[IMP3][Y8] on two devices that are offline it is one chat, with one copy of everything', async () => {
    const world = await startWorld('import twice', { ada: ['phone', 'laptop'] })
    const [phone, laptop] = [clientOf(world, 'phone'), clientOf(world, 'laptop')]
    for (const client of [phone, laptop]) client.disconnect()
    for (const client of [phone, laptop]) await during(world, importOnyx(client, database(onyxRows())))
    const [chat] = await phone.chats.list()
    const address = chat?.address as string
    await during(world, laptop.chats.edit(address, 'a2k9', 'A title!'))
    for (const client of [phone, laptop]) client.connect()
    await world.advance(30_000)
    const shown = await phone.chats.read(address)
    expect(shown.messages.map(({ content }) => content)).toEqual([
      'What is in the README?',
      'A title!',
      '{"ok":true}',
    ])
    expect((await laptop.chats.read(address)).messages).toEqual(shown.messages)
    const doc = await storedDocument(deviceOf(world, 'phone').disk.contents, address)
    expect(doc.getArray('messages').length).toBe(3)
    expect(phone.status).toMatchObject({ unsent: 0, refused: 0 })
  })

  it('[IMP4] the `default` chats of two devices stay apart', async () => {
    const { client } = await openOffline()
    await importOnyx(client, database(onyxRows('phone1')))
    await importOnyx(client, database(onyxRows('tablet')))
    const defaults = (await client.chats.list()).filter(({ id }) => id.startsWith('default_'))
    expect(defaults).toHaveLength(2)
    expect(
      await Promise.all(defaults.map(async ({ id }) => (await client.chats.read(id)).messages.length)),
    ).toEqual([3, 3])
  })

  it('[IMP5] what can not be read is named, and the rest is there', async () => {
    const { client } = await openOffline()
    const rows = [
      { id: 'chat_1', messages: '[{' },
      { id: 'chat_2', messages: '{"no":"list"}' },
      { id: 'chat_3', messages: '[7, {"content": {"parts": [1]}, "createdAt": "2024-07-03T10:00:00Z"}]' },
    ]
    const report = await importOnyx(client, database(rows))
    expect(report).toMatchObject({ newChats: 1, newMessages: 1 })
    expect(report.problems).toHaveLength(3)
    const { messages } = await client.chats.read('chat_3')
    expect(messages).toMatchObject([
      { role: 'user', content: '{"parts":[1]}', createdAt: Date.UTC(2024, 6, 3, 10) },
    ])
    const broken = { getAllAsync: () => Promise.reject(new Error('no such table: chats')) }
    await expect(importOnyx(client, broken)).rejects.toMatchObject({ code: 'IMPORT_INVALID' })
    const long = await client.import([{ id: 'x'.repeat(129), messages: [] }])
    expect(long.problems).toHaveLength(1)
  })

  it('[IMP6] its export from the web is read in each of its shapes', () => {
    const chats = onyxRows().map(({ id, messages }) => ({ id, messages: JSON.parse(messages) as unknown }))
    const expected = readOnyxRows(onyxRows())
    for (const json of [
      chats,
      { chats },
      { chats: Object.fromEntries(chats.map(({ id, messages }) => [id, messages])) },
      Object.fromEntries(onyxRows().map(({ id, messages }) => [id, { id, messages }])),
    ])
      expect(readImport(JSON.stringify(json))).toEqual(expected)
  })
})

describe('moving in from elsewhere', () => {
  const read = (name: string) =>
    readImport(readFileSync(new URL(`../vectors/${name}`, import.meta.url), 'utf8'))

  it('[IMP7] conversations of ChatGPT come with the branch that was shown last', async () => {
    const data = read('chatgpt-conversations.json')
    expect(data).toMatchObject({ source: 'chatgpt', problems: ['conversation 1 has no id'] })
    const { client } = await openOffline()
    await client.import(data.chats)
    expect(await client.chats.read('chatgpt_c0ffee')).toMatchObject({
      title: 'Packing for Oslo',
      titleSource: 'auto',
      model: 'gpt-4o',
      createdAt: 1_714_000_000_123,
      archived: true,
      messages: [
        { id: 'u1', role: 'user', content: 'What should I pack?', createdAt: 1_714_000_001_500 },
        { id: 'a2', role: 'assistant', content: 'A rain jacket.\n[image_asset_pointer]', model: 'gpt-4o' },
        { id: 't1', role: 'tool', content: 'print("x")', author: 'python' },
      ],
    })
    expect(await client.import(data.chats)).toMatchObject({ newMessages: 0 })
  })

  it('[IMP7] conversations of Claude come with thoughts, tools and names of files', async () => {
    const data = read('claude-conversations.json')
    expect(data).toMatchObject({ source: 'claude', problems: ['conversation 1 has no uuid'] })
    const { client } = await openOffline()
    await client.import(data.chats)
    expect(await client.chats.read('claude_11aa')).toMatchObject({
      title: 'Packing',
      createdAt: Date.UTC(2025, 0, 2, 3, 4, 5),
      messages: [
        { id: 'm1', role: 'user', content: 'What should I pack?', files: ['list.txt'] },
        {
          id: 'm2',
          role: 'assistant',
          content: 'Layers.',
          reasoning: 'It is cold.',
          tools: [
            {
              id: 'toolu_1',
              name: 'weather',
              args: { city: 'Oslo' },
              state: 'result',
              status: 'failed',
              result: 'no',
            },
          ],
        },
        { id: 'm3', role: 'user', content: 'Thanks' },
      ],
    })
  })

  it('[IMP8] what is no export that can be read is refused, and says what can be', () => {
    for (const text of ['', '{', '7', '[]', '{}', '[{"a":1}]', '{"chats":[{"id":"x"}]}'])
      expect(() => readImport(text)).toThrow(expect.objectContaining({ code: 'IMPORT_INVALID' }))
  })
})

describe('moving out', () => {
  it('[EXPT1] as JSON everything can be imported again, on another account too', async () => {
    const { client } = await openOffline()
    await importOnyx(client, database(onyxRows()))
    const id = await firstChat(client)
    await client.chats.rename(id, 'Readme')
    await client.chats.edit(id, 'q1x8', 'What is it?')
    await client.chats.send(id, 'and now?', { reasoning: 'r', fields: { own: { a: 1 } } })
    const exported = await client.chats.read(id)
    const text = exportToJson([exported])
    const { client: other } = await openOffline({ secretKey: testKey(2).secretKey })
    await other.import(readImport(text).chats)
    const imported = await other.chats.read(id)
    const plain = (messages: typeof exported.messages) => messages.map(({ device: _, ...message }) => message)
    expect(plain(imported.messages)).toEqual(plain(exported.messages))
    expect(imported).toMatchObject({ title: 'Readme', titleSource: 'user', createdAt: exported.createdAt })
    expect(await other.import(readImport(text).chats)).toMatchObject({ newMessages: 0, newChats: 0 })
  })

  it('[EXPT2] as Markdown it can be read', async () => {
    const { client } = await openOffline()
    await importOnyx(client, database(onyxRows()))
    const id = await firstChat(client)
    await client.chats.rename(id, 'Read\nme')
    await client.chats.send(id, 'x', { id: 'last', reasoning: 'one\ntwo', status: 'error', createdAt: 0 })
    const text = exportToMarkdown([await client.chats.read(id)])
    expect(text).toContain('# Read me\n\n2024-07-03 09:46')
    expect(text).toContain(
      '## assistant · 2024-07-03 09:46\n\nA title.\n\n**view_file**\n\n```\n{\n  "path": "README.md"\n}\n```',
    )
    expect(text).toContain('> one\n> two')
    expect(text).toContain('## user · 1970-01-01 00:00, error')
    const fenced = exportToMarkdown([
      {
        ...(await client.chats.read(id)),
        messages: [
          {
            id: 'f',
            role: 'tool',
            content: '',
            createdAt: 0,
            status: 'complete',
            tools: [{ id: 't', name: 'n', state: 'result', status: 'completed', result: '````' }],
          },
        ],
      },
    ])
    expect(fenced).toContain('`````\n````\n`````')
  })
})

it('[IMP3] another content is written under another Yjs client id', async () => {
  const ids = new Set<number>()
  for (const content of ['a', 'b', 'a']) {
    const { client, store } = await openOffline()
    await client.import([{ id: 'c', messages: [{ id: 'm', role: 'user', content, createdAt: 5 }] }])
    const doc = new Y.Doc()
    const address = formatAddress(chatAddress(owner.publicKey, 'c'))
    for (const { update } of await store.loadUpdates(address)) Y.applyUpdate(doc, update)
    for (const id of doc.store.clients.keys()) ids.add(id)
  }
  expect(ids.size).toBe(2)
})

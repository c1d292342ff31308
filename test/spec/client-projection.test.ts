import { createMemoryStore, type QueryRow, type StoreBatch, type SyncStore } from '@onyx-sync/client'
import { formatAddress, hasPending, KIND, parseAddress, settingsAddress } from '@onyx-sync/shared'
import { createSeededRandom } from '@onyx-sync/testing'
import { describe, expect, it } from 'vitest'
import * as Y from 'yjs'
import { chatAddressText, chatEvent, testKey } from '../support/events.js'
import { openScripted } from '../support/scripted-server.js'
import { clientOf, during, startWorld } from '../support/worlds.js'

const owner = testKey(1)
const chat = chatAddressText(owner)
const settings = formatAddress(settingsAddress(owner.publicKey))

/** What the tables must hold by SPEC "Query tables", worked out from a document without the client's code. */
function expectedRows(address: string, doc: Y.Doc): { table: string; row: QueryRow }[] {
  if (parseAddress(address)?.kind === KIND.settings) {
    return (['preferences', 'features'] as const).flatMap((section) =>
      Object.entries(doc.getMap(section).toJSON()).map(([key, value]) => ({
        table: 'settings',
        row: { id: `${address}/${section}/${key}`, address, section, key, value: JSON.stringify(value) },
      })),
    )
  }
  const metadata = doc.getMap('metadata').toJSON()
  const seen = new Set<string>()
  const messages = (doc.getArray('messages').toJSON() as Record<string, unknown>[]).filter((message) => {
    const id = (message as { id?: unknown } | null)?.id
    if (typeof id !== 'string' || id === '' || seen.has(id)) return false
    seen.add(id)
    return true
  })
  const times = messages.map(({ createdAt }) => createdAt).filter((at) => typeof at === 'number')
  const rows = messages.map(
    ({ id, role, content, createdAt, editedAt, status, device, ...rest }, position) => ({
      table: 'messages',
      row: {
        id: `${address}/${id}`,
        address,
        message_id: id as string,
        position,
        role: (role === 'function' ? 'tool' : (role ?? 'user')) as string,
        content: typeof content === 'string' ? content : '',
        status: (status ?? 'complete') as string,
        created_at: typeof createdAt === 'number' ? createdAt : 0,
        edited_at: typeof editedAt === 'number' ? editedAt : null,
        device: typeof device === 'string' ? device : '',
        data: JSON.stringify(rest, (_key, item) => (typeof item === 'bigint' ? String(item) : item)),
        partial: false,
      },
    }),
  )
  const createdAt = typeof metadata.createdAt === 'number' ? metadata.createdAt : 0
  const chatRow = {
    table: 'chats',
    row: {
      id: address,
      address,
      chat_id: parseAddress(address)?.identifier as string,
      owner: parseAddress(address)?.owner as string,
      title: metadata.title ?? '',
      title_source: metadata.titleSource ?? '',
      model: metadata.model ?? '',
      created_at: createdAt,
      last_activity_at: Math.max(createdAt, ...(times as number[])),
      message_count: messages.length,
      archived: metadata.archived === true,
      deleted_at: metadata.deletedAt ?? null,
      bytes: null,
      held: true,
    } as QueryRow,
  }
  return [...rows, chatRow]
}

/** Differences between the tables of a store and its documents; documents that wait for updates are left out. */
async function differences(store: SyncStore): Promise<string[]> {
  const problems: string[] = []
  const waiting = new Set<string>()
  const expected = new Map<string, string>()
  for (const { address } of await store.loadDocuments()) {
    const doc = new Y.Doc()
    for (const { update } of await store.loadUpdates(address)) Y.applyUpdate(doc, update)
    if (hasPending(doc)) waiting.add(address)
    else
      for (const { table, row } of expectedRows(address, doc)) expected.set(`${table} ${row.id}`, sorted(row))
  }
  for (const table of ['chats', 'messages', 'settings'] as const) {
    for (const row of await store.loadRows(table)) {
      if (waiting.has(String(row.address))) continue
      const key = `${table} ${row.id}`
      if (expected.get(key) !== sorted(row))
        problems.push(`${key}: ${sorted(row)} is not ${expected.get(key)}`)
      expected.delete(key)
    }
  }
  return [...problems, ...[...expected.keys()].map((key) => `${key} is missing`)]
}

function sorted(row: QueryRow): string {
  return JSON.stringify(Object.entries(row).sort(([a], [b]) => (a < b ? -1 : 1)))
}

/** A store that compares after every commit. */
function comparing(store: SyncStore, problems: string[]): SyncStore & { commits: number } {
  const comparing = {
    ...store,
    commits: 0,
    async commit(batch: StoreBatch) {
      await store.commit(batch)
      comparing.commits++
      problems.push(...(await differences(store)))
    },
  }
  return comparing
}

describe('the query tables', () => {
  it('[QRY1][C1] equal the documents after every single commit, own edits and others’', async () => {
    for (let seed = 0; seed < 4; seed++) {
      const random = createSeededRandom(`rows ${seed}`)
      const problems: string[] = []
      let commits = 0
      const world = await startWorld(
        `rows ${seed}`,
        { alice: ['laptop', 'phone'] },
        {
          fault: {
            name: 'none',
            summary: 'only compares',
            wrapStore: (store, { disk }) => ({
              ...store,
              async commit(batch) {
                await store.commit(batch)
                commits++
                problems.push(...(await differences(disk.contents)))
              },
            }),
          },
        },
      )
      await during(
        world,
        clientOf(world, 'laptop').chats.create({ id: 'oslo', title: 'Trip', model: 'opus' }),
      )
      await world.advance(5_000)
      const ids: string[] = []
      for (let step = 0; step < 40; step++) {
        const client = clientOf(world, random.pick(['laptop', 'phone']))
        const id = ids.length === 0 ? '' : random.pick(ids)
        const calls: (() => Promise<unknown>)[] = [
          () => client.chats.send('oslo', `m${step} 🙂`).then((message) => ids.push(message.id)),
          () => client.chats.edit('oslo', id, `edited in ${step}`),
          () => client.chats.deleteMessage('oslo', id),
          () => client.chats.rename('oslo', `title ${step}`),
          () => client.chats.archive('oslo', random.chance(0.5)),
          () => (random.chance(0.5) ? client.chats.delete('oslo') : client.chats.restore('oslo')),
          () => client.settings.set(`key${random.below(3)}`, { nested: [step, null, 'x'] }),
          () => client.settings.remove(`key${random.below(3)}`),
          () => client.settings.setFeature(`feature${random.below(3)}`, random.chance(0.5)),
        ]
        // Some wait for the one before, some don't, some touch a message that is gone.
        const call = random
          .pick(calls)()
          .catch(() => {})
        if (random.chance(0.7)) await during(world, call)
        if (random.chance(0.2)) world.network.cut(random.pick(['laptop', 'phone']))
        await world.advance(random.below(400))
      }
      await world.advance(60_000)
      expect(problems.slice(0, 3)).toEqual([])
      expect(commits).toBeGreaterThan(60)
    }
  })

  it('[QRY2] carry what an app writes on the Y.Doc itself, with fields of its own', async () => {
    const problems: string[] = []
    const store = createMemoryStore()
    const watched = comparing(store, problems)
    const { client } = await openScripted(owner, { store: watched })
    await client.chats.create({ id: 'chat' })
    const { doc } = await client.chats.open('chat')
    const messages = doc.getArray<unknown>('messages')
    doc.transact(() => {
      messages.push(['no message', 7, null, new Y.Map(), new Y.Array()])
      for (const id of ['twice', 'twice', ''])
        messages.push([new Y.Map(Object.entries({ id, role: 'function' }))])
      messages.insert(0, [new Y.Map(Object.entries({ id: 'first', toolCalls: [{ name: 'x' }], big: 5n }))])
      messages.push([
        new Y.Map(Object.entries({ id: 'odd', content: 7, createdAt: 'x', status: 'streaming' })),
      ])
    })
    await client.flush()
    expect(problems).toEqual([])
    const rows = await store.loadRows('messages')
    expect(rows.map((row) => [row.message_id, row.position, row.role])).toEqual([
      ['first', 0, 'user'],
      ['twice', 1, 'tool'],
      ['odd', 2, 'user'],
    ])
    expect(JSON.parse(String(rows[0]?.data))).toEqual({ toolCalls: [{ name: 'x' }], big: '5' })
    // The first of two goes: the second comes up in its place.
    messages.delete(6)
    await client.flush()
    expect((await store.loadRows('messages')).map((row) => row.message_id).sort()).toEqual([
      'first',
      'odd',
      'twice',
    ])
    expect(watched.commits).toBeGreaterThan(2)
  })

  it('[QRY3] are written only where something changed', async () => {
    const store = createMemoryStore()
    const written: string[][] = []
    const watched: SyncStore = {
      ...store,
      commit(batch) {
        written.push((batch.rows ?? []).flatMap(({ put }) => put.map(({ id }) => id)))
        return store.commit(batch)
      },
    }
    const { client } = await openScripted(owner, { store: watched })
    await client.chats.create({ id: 'chat' })
    for (const id of ['a', 'b', 'c']) await client.chats.send('chat', 'x', { id })
    written.length = 0
    await client.chats.edit('chat', 'b', 'y')
    await client.chats.rename('chat', 'new')
    await client.settings.set('theme', 'dark')
    await client.settings.set('size', 3)
    expect(written).toEqual([
      [`${chat}/b`, chat],
      [chat],
      [`${settings}/preferences/theme`],
      [`${settings}/preferences/size`],
    ])
  })

  it('[QRY4][Y14] of other documents are served though one is nested too deeply to be shown', async () => {
    const deep = new Y.Doc()
    deep.transact(() => {
      let inner: Y.Map<unknown> = deep.getMap('metadata')
      for (let depth = 0; depth < 20_000; depth++) {
        const next = new Y.Map<unknown>()
        inner.set('a', next)
        inner = next
      }
    })
    const update = Y.encodeStateAsUpdate(deep)
    const nested = deep.store.clients.get(deep.clientID)?.[0] as Y.Item
    // What deletes the outermost: Yjs deletes what is in it by recursion.
    const top = new Y.Doc()
    top.clientID = nested.id.client
    top.getMap('metadata').set('a', new Y.Map())
    let deletion: Uint8Array = new Uint8Array()
    top.on('update', (emitted: Uint8Array) => {
      deletion = emitted
    })
    top.getMap('metadata').delete('a')
    const store = createMemoryStore()
    const { clock, client } = await openScripted(owner, {
      store,
      script: {
        onReq(link, id) {
          link.send('EVENT', id, chatEvent(owner, { chatId: 'deep', update }), 'c1')
          link.send('EVENT', id, chatEvent(owner, { chatId: 'deep', update: deletion }), 'c2')
          link.send('EVENT', id, chatEvent(owner, { chatId: 'fine' }), 'c3')
          link.send('EOSE', id, ['cursor:c3'])
        },
      },
    })
    client.connect()
    await clock.advance(2_000)
    expect(client.status).toMatchObject({ connection: 'live', cursor: 'c3' })
    expect((await client.chats.list()).map(({ id }) => id)).toContain('fine')
    await client.chats.create({ id: 'own' })
    await client.chats.send('own', 'still works')
    expect(
      await store.loadRows('messages', { column: 'address', equals: chatAddressText(owner, 'own') }),
    ).toHaveLength(1)
  })

  it('[QRY5][Y4] are brought up to date when what was missing comes after a restart', async () => {
    const source = new Y.Doc()
    const updates: Uint8Array[] = []
    source.on('update', (update: Uint8Array) => updates.push(update))
    for (const id of ['a', 'b', 'c', 'd']) source.getArray('messages').push([new Y.Map([['id', id]])])
    source.getArray('messages').delete(0)
    const events = updates.map((update) => chatEvent(owner, { update }))
    const store = createMemoryStore()
    const problems: string[] = []
    for (const [run, order] of [[0, 3], [4, 2], [1]].entries()) {
      const { clock, client } = await openScripted(owner, {
        store: comparing(store, problems),
        seed: `run ${run}`,
        script: {
          onReq(link, id) {
            if (id === 'sync')
              for (const index of order) link.send('EVENT', id, events[index], `c${run}${index}`)
            link.send('EOSE', id, [`cursor:c${run}`])
          },
        },
      })
      client.connect()
      await clock.advance(1_000)
      client.disconnect()
    }
    expect((await store.loadRows('messages')).map((row) => [row.message_id, row.position])).toEqual(
      expect.arrayContaining([
        ['b', 0],
        ['c', 1],
        ['d', 2],
      ]),
    )
    expect(await store.loadRows('messages')).toHaveLength(3)
    expect(problems).toEqual([])
    expect(await differences(store)).toEqual([])
  })
})

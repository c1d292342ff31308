import { createMemoryStore, type ImportedChat, type ImportedMessage } from '@onyx-sync/client'
import { createSeededRandom } from '@onyx-sync/testing'
import { describe, expect, it } from 'vitest'
import { countingLoads, openOffline, shows } from '../support/offline.js'
import { clientOf, during, startWorld } from '../support/worlds.js'

const random = createSeededRandom('an account of Onyx')
const startMs = Date.UTC(2026, 0, 1)
const WORDS = [
  'what',
  'should',
  'I',
  'pack',
  'for',
  'a',
  'week',
  'in',
  'May',
  'then',
  'ünïcode',
  '日本',
  '\n\n- ',
]

/** Words of about so many characters. */
function prose(length: number): string {
  let text = ''
  while (text.length < length) text += `${random.pick(WORDS)} `
  return text
}

/** A chat of 40 messages: questions of 100 characters, and replies that fill it up to about so many bytes. */
function chatOf(index: number, bytes: number, resultBytes = 0): ImportedChat {
  const messages = Array.from({ length: 40 }, (_, place): ImportedMessage => {
    const isReply = place % 2 === 1
    const hasResult = isReply && resultBytes > 0 && place < 16
    return {
      id: `m${place}`,
      role: isReply ? 'assistant' : 'user',
      content: prose(isReply ? Math.max(200, bytes / 20 - 100) : 100),
      createdAt: startMs + index * 60_000 + place,
      ...(hasResult
        ? {
            tools: [
              {
                id: `call${place}`,
                name: 'read',
                state: 'result' as const,
                result: { summary: 'a file', content: 'x'.repeat(resultBytes) },
              },
            ],
          }
        : {}),
    }
  })
  return { id: `chat${index}`, title: `Chat ${index}`, createdAt: startMs, messages }
}

describe('an account of the size of Onyx’s', () => {
  it('[MOD13] comes to a new device whole', async () => {
    const world = await startWorld('sizes', { ada: ['phone'] })
    const phone = clientOf(world, 'phone')
    // Half of them 15 KB or less, one in twenty 150 KB, and one of 2 MB, most of it what tools said.
    const chats = Array.from({ length: 50 }, (_, index) => {
      if (index === 30) return chatOf(index, 150_000, 265_000)
      return chatOf(index, index % 20 === 0 ? 150_000 : 8_000 + (index % 15) * 1_000)
    })
    const large = chats[30] as ImportedChat
    expect(JSON.stringify(large).length).toBeGreaterThan(2_000_000)
    await during(world, phone.import(chats))
    await world.advance(120_000)
    expect(phone.status).toMatchObject({ unsent: 0, refused: 0 })
    world.addDevice('tablet', 'ada').start()
    await world.advance(120_000)
    const tablet = clientOf(world, 'tablet')
    expect(tablet.status).toMatchObject({ isCaughtUp: true, unsent: 0, setAside: 0 })
    const list = await tablet.chats.list()
    expect(list.map(({ id }) => id)).toEqual(chats.map(({ id }) => id).reverse())
    expect(list.every(({ messageCount }) => messageCount === 40)).toBe(true)
    for (const { id } of chats)
      expect((await tablet.chats.read(id)).messages).toEqual((await phone.chats.read(id)).messages)
    const { messages } = await tablet.chats.read(large.id)
    expect(messages.map(({ content }) => content)).toEqual(large.messages.map(({ content }) => content))
    expect(messages[15]?.tools).toMatchObject([{ result: { content: 'x'.repeat(265_000) } }])
  })

  it('[MOD13] shows its list of 1,000 chats without loading a document', async () => {
    const disk = createMemoryStore()
    const first = await openOffline({ store: disk })
    for (let start = 0; start < 1_000; start += 250) {
      await first.client.import(
        Array.from({ length: 250 }, (_, index) => ({
          id: `chat${start + index}`,
          title: `Chat ${start + index}`,
          messages: [{ id: 'm', role: 'user', content: 'hello', createdAt: startMs + start + index }],
        })),
      )
    }
    await first.client.flush()
    const { store, loads } = countingLoads(disk)
    const { client } = await openOffline({ store, seed: 'again' })
    const list = await client.chats.list()
    expect(list).toHaveLength(1_000)
    expect(list[0]).toMatchObject({ title: 'Chat 999', messageCount: 1 })
    const view = client.chats.watch()
    const end = view.subscribe(() => {})
    expect(await shows(view)).toHaveLength(1_000)
    end()
    expect(loads).toEqual([])
  })
})

describe('settings of Onyx', () => {
  it('[SET3] that two devices change offline all survive: tools are switched one by one, repositories are chosen by key', async () => {
    const world = await startWorld('onyx settings', { ada: ['phone', 'laptop'] })
    const [phone, laptop] = [clientOf(world, 'phone'), clientOf(world, 'laptop')]
    const repos = [
      { owner: 'ada', name: 'notes', branch: 'main' },
      { owner: 'ada', name: 'engine', branch: 'dev' },
    ]
    await during(world, phone.settings.set('repos', repos))
    await during(world, phone.settings.set('activeModel', 'opus'))
    for (const tool of ['search', 'files']) await during(world, phone.settings.setFeature(tool, true))
    await world.advance(10_000)
    for (const name of ['phone', 'laptop']) world.network.setOnline(name, false)
    await world.advance(1_000)
    await during(world, phone.settings.setFeature('search', false))
    await during(world, phone.settings.set('activeRepo', 'ada/engine'))
    await during(world, laptop.settings.setFeature('camera', true))
    await during(world, laptop.settings.set('activeModel', 'haiku'))
    await during(world, laptop.settings.set('repos', [repos[1] as (typeof repos)[0]]))
    for (const name of ['phone', 'laptop']) world.network.setOnline(name, true)
    await world.advance(20_000)
    for (const device of [phone, laptop]) {
      expect(await device.settings.read()).toEqual({
        preferences: { activeModel: 'haiku', activeRepo: 'ada/engine', repos: [repos[1]] },
        features: { search: false, files: true, camera: true },
      })
    }
  })
})

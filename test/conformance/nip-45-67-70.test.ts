import { describe, expect, it } from 'vitest'
import { chatEvent, chatTemplate, membersOf, sign, trainingEvent } from '../support/events.js'
import { freshKey, sharedServer } from '../support/shared-server.js'

const server = sharedServer()

describe('counts (NIP-45)', () => {
  it('[REQ7] COUNT is exact, over what the keys may see, and leaves no subscription', async () => {
    const [alice, bob] = [freshKey(), freshKey()]
    const [a, b] = [await server.connect(alice), await server.connect(bob)]
    const tagged = (topic: string) =>
      sign(alice, { kind: 1, created_at: 5, tags: [['t', topic]], content: topic })
    for (const event of [tagged('x'), tagged('y'), chatEvent(alice, { members: membersOf(bob) })])
      await a.publish(event)
    await b.publish(trainingEvent(bob))
    const count = async (client: typeof a, ...filters: object[]) => {
      const from = client.messages.length
      client.send('COUNT', 'c', ...filters)
      return client.waitFor(() => true, from)
    }
    expect(await count(a, {})).toEqual(['COUNT', 'c', { count: 3 }])
    expect(await count(a, { '#t': ['x'] })).toEqual(['COUNT', 'c', { count: 1 }])
    expect(await count(a, { kinds: [1], limit: 1 })).toEqual(['COUNT', 'c', { count: 2 }])
    expect(await count(a, { '#t': ['x', 'y'] }, { kinds: [1] }, { kinds: [30001] })).toEqual([
      'COUNT',
      'c',
      { count: 3 },
    ])
    expect(await count(b, {})).toEqual(['COUNT', 'c', { count: 2 }])
    expect(await count(b, { authors: [alice.publicKey] })).toEqual(['COUNT', 'c', { count: 1 }])
    expect(await count(b, { authors: [alice.publicKey], kinds: [1] })).toEqual(['COUNT', 'c', { count: 0 }])
    for (const filters of [[], [null], [{ kinds: 'all' }], [{ after: '' }]]) {
      expect(await count(a, ...(filters as object[]))).toEqual([
        'CLOSED',
        'c',
        expect.stringMatching(/^invalid: /),
      ])
    }
    // It has no live part, and takes no subscription's place.
    await a.request('c', { kinds: [7] })
    await count(a, {})
    const from = a.messages.length
    await a.publish(trainingEvent(alice))
    await a.settle()
    expect(a.messages.slice(from).filter(([type]) => type === 'EVENT' || type === 'COUNT')).toEqual([])
  })
})

describe('completeness hints (NIP-67)', () => {
  it('[REQ3] an EOSE has exactly one of "finish" and "more", and it is true', async () => {
    const alice = freshKey()
    const client = await server.connect(alice)
    expect((await client.request('none', {})).hints).toEqual(['finish'])
    for (let index = 1; index <= 4; index++) await client.publish(trainingEvent(alice, 'x', index))
    const cases: [object[], string][] = [
      [[{}], 'finish'],
      [[{ limit: 3 }], 'more'],
      [[{ limit: 4 }], 'finish'],
      [[{ limit: 0 }], 'more'],
      [[{ limit: 0, since: 5 }], 'finish'],
      [[{ limit: 1 }, { until: 3 }], 'finish'],
      [[{ limit: 1 }, { until: 2 }], 'more'],
    ]
    for (const [filters, hint] of cases) {
      expect([filters, (await client.request('s', ...filters)).hints]).toEqual([filters, [hint]])
    }
    // Going by the hints alone brings everything, with no question too many.
    const seen: number[] = []
    let questions = 0
    for (let until = 100; ; questions++) {
      const { events, hints } = await client.request('p', { until, limit: 2 })
      seen.push(...events.map(({ created_at }) => created_at))
      if (hints[0] === 'finish') break
      until = (events.at(-1)?.created_at as number) - 1
    }
    expect([seen, questions]).toEqual([[4, 3, 2, 1], 1])
  })
})

describe('protected events (NIP-70)', () => {
  it('[PERM1] an event with "-" is taken from its author alone, once that key has authenticated', async () => {
    const [alice, bob] = [freshKey(), freshKey()]
    const guarded = sign(alice, { kind: 1, created_at: 5, tags: [['-']], content: 'mine' })
    const stranger = await server.connect()
    expect((await stranger.publish(guarded)).reason).toMatch(/^auth-required: /)
    const [a, b] = [await server.connect(alice), await server.connect(bob)]
    expect((await b.publish(guarded)).reason).toMatch(/^restricted: .*author/)
    // Not even from a member, of a chat that both may write.
    await a.publish(chatEvent(alice, { members: membersOf(bob) }))
    expect((await b.publish(chatEvent(alice))).reason).toMatch(/^restricted: /)
    expect((await a.publish(guarded)).accepted).toBe(true)
    // A known event tells nobody else that it is known.
    expect((await b.publish(guarded)).reason).toMatch(/^restricted: /)
  })

  it('[PERM1] here every event counts as protected, with the tag or without', async () => {
    const [alice, bob] = [freshKey(), freshKey()]
    const b = await server.connect(bob)
    const template = chatTemplate(alice)
    const open = sign(alice, { ...template, tags: template.tags.filter(([name]) => name !== '-') })
    const plain = sign(alice, { kind: 1, created_at: 5, tags: [], content: 'x' })
    for (const event of [open, plain]) expect((await b.publish(event)).reason).toMatch(/^restricted: /)
    const a = await server.connect(alice)
    for (const event of [open, plain]) expect((await a.publish(event)).accepted).toBe(true)
  })
})

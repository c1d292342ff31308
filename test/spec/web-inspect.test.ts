import type { ConnectionHandlers, Transport } from '@onyx-sync/client'
import { KIND } from '@onyx-sync/shared'
import { describe, expect, it } from 'vitest'
import { checkEvent } from '../../client/web/src/inspect/check-event.js'
import { createLogReader } from '../../client/web/src/inspect/log-reader.js'
import { explainRefusal } from '../../client/web/src/inspect/outbox-words.js'
import { addSample, MAX_SAMPLES, ratesOf, type Sample, valuesOf } from '../../client/web/src/inspect/rates.js'
import { documentHash, parseInspectRoute } from '../../client/web/src/inspect/route.js'
import { linesOf } from '../../client/web/src/inspect/sparkline.js'
import { createTrafficLog, MAX_ENTRIES, MAX_TEXT_LENGTH } from '../../client/web/src/inspect/traffic-log.js'
import { joinWriters } from '../../client/web/src/inspect/writers.js'
import { chatEvent, sign, testKey, trainingEvent } from '../support/events.js'

const alice = testKey(1)
const bob = testKey(2)

describe('checking an event in the page', () => {
  it('[WEB18] a valid event is taken apart: what it brings, deletes and is of', () => {
    const event = chatEvent(alice)
    const { verdict, problem, address, bytes, content } = checkEvent(event)
    expect({ verdict, problem }).toEqual({ verdict: 'valid', problem: '' })
    expect(address).toMatch(`${KIND.chat}:${alice.publicKey}:`)
    expect(bytes).toBeGreaterThan(JSON.stringify(event).length - 20)
    expect(content).toMatchObject({ isCheckpoint: false, encoding: 'Yjs', part: undefined })
    expect(content?.structs).toBeGreaterThan(0)
    for (const { from, to } of content?.clocks ?? []) expect(to).toBeGreaterThan(from)
  })

  it('[WEB18] one that was changed anywhere is invalid, and isn’t read', () => {
    const event = chatEvent(alice)
    const flipped = `${event.sig.startsWith('0') ? '1' : '0'}${event.sig.slice(1)}`
    const cases: [unknown, string][] = [
      [{ ...event, content: `B${event.content.slice(1)}` }, 'wrong-id'],
      [{ ...event, created_at: event.created_at + 1 }, 'wrong-id'],
      [{ ...event, tags: [...event.tags, ['x', 'y']] }, 'wrong-id'],
      [{ ...event, pubkey: bob.publicKey }, 'wrong-id'],
      [{ ...event, sig: flipped }, 'wrong-signature'],
      [{ ...event, sig: chatEvent(bob).sig }, 'wrong-signature'],
      [{ ...event, id: 'no id' }, 'malformed'],
      [undefined, 'malformed'],
      ['["EVENT"]', 'malformed'],
    ]
    for (const [value, verdict] of cases) {
      const checked = checkEvent(value)
      expect(checked.verdict, JSON.stringify(value)).toBe(verdict)
      expect(checked.problem).not.toBe('')
      expect([checked.content, checked.address]).toEqual([undefined, undefined])
    }
  })

  it('[WEB18] a signed event whose content is none says so, and one of another kind has none', () => {
    const empty = checkEvent(sign(alice, { ...chatEvent(alice), content: 'AAAA' }))
    expect(empty).toMatchObject({ verdict: 'valid', content: undefined })
    expect(empty.problem).toMatch(/sync message/)
    expect(checkEvent(trainingEvent(alice))).toMatchObject({
      verdict: 'valid',
      problem: '',
      content: undefined,
    })
  })
})

describe('reading the log', () => {
  /** A reader, and the server's side of its connection. */
  function open(isNetworkOn = true) {
    const sent: unknown[][] = []
    let handlers: ConnectionHandlers | undefined
    let closed = 0
    const reader = createLogReader({
      url: 'ws://127.0.0.1/sync',
      signer: { getPublicKey: async () => alice.publicKey, signEvent: async (event) => sign(alice, event) },
      isNetworkOn: () => isNetworkOn,
      transport: {
        dial(_, given) {
          handlers = given
          return { send: (text) => sent.push(JSON.parse(text) as unknown[]), close: () => closed++ }
        },
        fetchInfo: async () => undefined,
      },
    })
    const say = (...message: unknown[]) => handlers?.onMessage(JSON.stringify(message))
    async function logIn(isAccepted = true) {
      say('AUTH', 'challenge')
      await expect.poll(() => sent[0]?.[0]).toBe('AUTH')
      const { id } = (sent[0] as unknown[])[1] as { id: string }
      say('OK', id, isAccepted, isAccepted ? '' : 'blocked: no')
    }
    return { reader, sent, say, logIn, handlers: () => handlers, closed: () => closed }
  }
  const failure = (reading: Promise<unknown>) => reading.then(String, (error: Error) => error.message)

  it('[WEB24] logs in first, asks four things at once and the next when one is answered', async () => {
    const { reader, sent, say, logIn } = open()
    const readings = [1, 2, 3, 4, 5].map((kind) => reader.read({ kinds: [kind] }))
    expect(sent).toEqual([])
    await logIn()
    const asked = () => sent.filter(([type]) => type === 'REQ').map(([, id]) => id as string)
    expect(asked()).toHaveLength(4)
    say('EVENT', asked()[0], { id: 1 })
    say('EVENT', 'somebody else’s', { id: 2 })
    say('EOSE', asked()[0], ['more'])
    expect(await readings[0]).toEqual({ events: [{ id: 1 }], hasMore: true })
    expect(asked()).toHaveLength(5)
    say('CLOSED', asked()[1], 'restricted: no')
    expect(await failure(readings[1] as Promise<unknown>)).toMatch(/restricted: no/)
    say('EOSE', asked()[4], [])
    expect(await readings[4]).toEqual({ events: [], hasMore: false })
    const left = readings.slice(2, 4).map(failure)
    reader.close()
    for (const reading of left) expect(await reading).toMatch(/the page was left/)
  })

  it('[WEB24] says why nothing comes: no network, a login that is refused, what can’t be read, a connection that ends', async () => {
    expect(await failure(open(false).reader.read({}))).toMatch(/switched off/)
    const refused = open()
    const reading = failure(refused.reader.read({}))
    await refused.logIn(false)
    expect(await reading).toMatch(/blocked: no/)
    expect(refused.closed()).toBe(1)
    const odd = open()
    const unread = failure(odd.reader.read({}))
    odd.handlers()?.onMessage('{')
    expect(await unread).toMatch(/unreadable/)
    const gone = open()
    const lost = failure(gone.reader.read({}))
    gone.handlers()?.onClose(1006, '')
    expect(await lost).toMatch(/closed \(1006/)
  })
})

describe('who wrote what', () => {
  it('[WEB24] a signed event says whose a client id is, a checkpoint doesn’t, and the server’s word is beside it', () => {
    const event = (key: typeof alice, isCheckpoint: boolean, client: number, to: number) =>
      ({
        event: chatEvent(key),
        verdict: 'valid',
        problem: '',
        bytes: 1,
        address: '',
        content: {
          ...{ isCheckpoint, encoding: 'Yjs', bytes: 1, structs: 1, deletions: 0, part: undefined },
          clocks: [{ client, from: 0, to }],
        },
      }) as const
    const server = new Map([[7, bob.publicKey]])
    const writers = joinWriters([event(alice, true, 7, 9), event(alice, false, 5, 3)], server)
    expect(writers).toEqual([
      { client: 7, clock: 9, signedBy: undefined, byServer: bob.publicKey },
      { client: 5, clock: 3, signedBy: alice.publicKey, byServer: undefined },
    ])
  })
})

describe('the wire', () => {
  function open() {
    let now = 0
    const log = createTrafficLog(() => ++now)
    let handlers: ConnectionHandlers | undefined
    const sent: string[] = []
    const transport: Transport = {
      dial(_, given) {
        handlers = given
        return { send: (text) => sent.push(text), close: () => {} }
      },
      fetchInfo: async () => 'info',
    }
    const received: string[] = []
    const connection = log.watch(transport, 'inspector').dial('ws://x/sync', {
      onOpen: () => received.push('open'),
      onMessage: (text) => received.push(text),
      onClose: (code) => received.push(`closed ${code}`),
    })
    return { log, connection, handlers: handlers as ConnectionHandlers, sent, received }
  }
  const shown = (log: ReturnType<typeof createTrafficLog>) =>
    new Promise<ReturnType<typeof log.entries>>((resolve) => {
      const end = log.subscribe(() => {
        end()
        resolve(log.entries())
      })
    })

  it('[WEB21] notes what is sent and received, and carries it as it was', async () => {
    const { log, connection, handlers, sent, received } = open()
    handlers.onOpen()
    handlers.onMessage('["AUTH","challenge"]')
    connection.send('["REQ","a",{"kinds":[1]}]')
    handlers.onMessage('{"ä":1}')
    handlers.onClose(1001, 'bye')
    expect(sent).toEqual(['["REQ","a",{"kinds":[1]}]'])
    expect(received).toEqual(['open', '["AUTH","challenge"]', '{"ä":1}', 'closed 1001'])
    const entries = (await shown(log)).map(({ direction, type, bytes, text }) => [
      direction,
      type,
      bytes,
      text,
    ])
    expect(entries).toEqual([
      ['connection', 'dial', 0, 'ws://x/sync'],
      ['connection', 'open', 0, ''],
      ['received', 'AUTH', 20, '["AUTH","challenge"]'],
      ['sent', 'REQ', 25, '["REQ","a",{"kinds":[1]}]'],
      ['received', 'unreadable', 8, '{"ä":1}'],
      ['connection', 'closed', 0, '1001 bye'],
    ])
  })

  it('[WEB21] holds the newest 500 at most, each cut, and not more than 4 Mi characters of all', async () => {
    const { log, connection } = open()
    for (let count = 0; count < MAX_ENTRIES + 50; count++) connection.send(`["REQ","${count}"]`)
    let entries = await shown(log)
    expect(entries).toHaveLength(MAX_ENTRIES)
    expect(entries.at(-1)?.text).toBe(`["REQ","${MAX_ENTRIES + 49}"]`)
    for (let count = 0; count < 100; count++) connection.send('x'.repeat(MAX_TEXT_LENGTH + 1))
    entries = await shown(log)
    expect(entries.at(-1)).toMatchObject({ isCut: true, bytes: MAX_TEXT_LENGTH + 1 })
    expect(entries.at(-1)?.text).toHaveLength(MAX_TEXT_LENGTH)
    expect(entries.reduce((sum, { text }) => sum + text.length, 0)).toBeLessThanOrEqual(4 * 1024 * 1024)
    expect(entries).toHaveLength(64)
    log.clear()
    expect(log.entries()).toEqual([])
  })
})

describe('charts', () => {
  const at = (seconds: number, stats: Record<string, unknown>): Sample => ({ atMs: seconds * 1_000, stats })

  it('[WEB22] counts become rates; a server that begins anew, and what it doesn’t tell, leave a gap', () => {
    const samples = [
      at(0, { n: 5 }),
      at(2, { n: 9 }),
      at(4, { n: 1 }),
      at(5, {}),
      at(6, { n: 3 }),
      at(8, { n: 3 }),
    ]
    expect(ratesOf(samples, 'n')).toEqual([2, undefined, undefined, undefined, 0])
    expect(valuesOf(samples, 'n')).toEqual([5, 9, 1, undefined, 3, 3])
    let kept: readonly Sample[] = []
    for (let count = 0; count < MAX_SAMPLES + 5; count++) kept = addSample(kept, at(count, {}))
    expect(kept).toHaveLength(MAX_SAMPLES)
    expect(kept[0]?.atMs).toBe(5_000)
  })

  it('[WEB22] a line ends at the right, begins anew behind a gap, and stays inside', () => {
    expect(linesOf([], 10)).toEqual([])
    expect(linesOf([4], 3)).toEqual(['240,1 240,1'])
    expect(linesOf([0, 0, 0], 3)).toEqual(['0,55 120,55 240,55'])
    expect(linesOf([10, undefined, 0, 5], 4)).toEqual(['0,1 0,1', '160,55 240,28'])
  })
})

describe('words and addresses', () => {
  it('[WEB20] a refusal has a code, its words and what to do, whatever it is', () => {
    expect(explainRefusal('restricted: you may read')).toMatchObject({
      code: 'restricted',
      words: 'you may read',
    })
    expect(explainRefusal('blocked: quota: 9 bytes are kept')).toMatchObject({
      code: 'blocked',
      words: 'quota: 9 bytes are kept',
      advice: expect.stringMatching(/no room/),
    })
    expect(explainRefusal('something else')).toMatchObject({ code: 'none', words: 'something else' })
    for (const prefix of ['restricted', 'blocked', 'invalid', 'error', 'rate-limited', 'odd', ''])
      expect(explainRefusal(`${prefix}: why`).advice).toMatch(/\w{4,}/)
  })

  it('[WEB24] a page of a document is found again by its address, and what is no address shows the list', () => {
    const address = `30001:${alice.publicKey}:a/b%c#d`
    expect(parseInspectRoute(documentHash(address, 'timeline'))).toEqual({
      ...{ view: 'document', address, part: 'timeline' },
    })
    expect(parseInspectRoute('#/document/%E0%A4%A/events')).toEqual({ view: 'documents' })
    expect(parseInspectRoute('#/document/x/nothing')).toMatchObject({ part: 'events' })
    for (const hash of ['', '#', '#/', '#/elsewhere'])
      expect(parseInspectRoute(hash)).toEqual({ view: 'documents' })
  })
})

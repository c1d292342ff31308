import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { fileURLToPath } from 'node:url'
import { createMemoryLog, createSyncServer, VERSION } from '@onyx-sync/server'
import { type Clock, systemClock } from '@onyx-sync/shared'
import { describe, expect, it, vi } from 'vitest'
import { afterThisTest } from '../support/after-test.js'
import { chatEvent, testKey } from '../support/events.js'
import { connectClient } from '../support/relay-client.js'
import { connect, metricsOf, runServer } from '../support/servers.js'
import { temporaryDirectory } from '../support/temporary-directory.js'

const BIN = fileURLToPath(new URL('../../server/bin/onyx-sync-server.js', import.meta.url))
const alice = testKey(1)

interface ServerProcess {
  readonly pid: number
  readonly stdout: () => string
  readonly stderr: () => string
  readonly ended: Promise<number | null>
  kill(signal: NodeJS.Signals): void
}

function spawnServer(...args: string[]): ServerProcess {
  const child = spawn(process.execPath, [BIN, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  afterThisTest(() => child.kill('SIGKILL'))
  let [stdout, stderr] = ['', '']
  child.stdout.on('data', (chunk) => {
    stdout += chunk
  })
  child.stderr.on('data', (chunk) => {
    stderr += chunk
  })
  return {
    pid: child.pid as number,
    stdout: () => stdout,
    stderr: () => stderr,
    ended: once(child, 'close').then(([code]) => code as number | null),
    kill: (signal) => child.kill(signal),
  }
}

async function readyUrl(server: ServerProcess): Promise<string> {
  return vi.waitFor(
    () => {
      const url = /^onyx-sync listening on (ws:\/\/127\.0\.0\.1:\d+\/sync)\n$/.exec(server.stdout())?.[1]
      if (url === undefined) throw new Error(`not ready: ${server.stdout()}${server.stderr()}`)
      return url
    },
    { timeout: 15_000, interval: 20 },
  )
}

describe('the command', () => {
  it('[SRV1] prints one line when it is ready, serves, and ends with 0 on SIGTERM and SIGINT', async () => {
    const data = temporaryDirectory()
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      const server = spawnServer('--port', '0', '--data', data)
      const client = await connectClient(await readyUrl(server), alice)
      expect((await client.publish(chatEvent(alice))).accepted).toBe(true)
      server.kill(signal)
      expect(await server.ended).toBe(0)
      expect((await client.closed).code).toBe(1012)
      expect(server.stdout().split('\n')).toHaveLength(2)
      // A faster one that isn't there gets a line of its own.
      const said = server.stderr().split('\n')
      expect(said.filter((line) => !line.includes('is not to be had'))).toEqual([
        expect.stringMatching(/ info signatures are checked by \{"verifier":".*"\}$/),
        expect.stringMatching(/ info events are signed by \{"signer":".*"\}$/),
        '',
      ])
    }
    const again = spawnServer('--port', '0', '--data', data)
    const client = await connectClient(await readyUrl(again), alice)
    expect((await client.request('s', {})).events).toHaveLength(2)
    client.socket.terminate()
  })

  it('[SRV1] says what is wrong on stderr and ends with 1 or 2', async () => {
    const data = temporaryDirectory()
    const taken = createServer().listen(0, '127.0.0.1')
    await once(taken, 'listening')
    afterThisTest(() => taken.close())
    const { port } = taken.address() as { port: number }
    const running = spawnServer('--port', '0', '--data', data)
    await readyUrl(running)
    const cases: [string[], number, RegExp][] = [
      [['--bogus'], 2, /bogus/],
      [['extra'], 2, /extra/],
      [['--port', 'http'], 2, /--port .*"http"/],
      [['--port', '65536'], 2, /--port/],
      [['--url', 'https:/x', '--data', temporaryDirectory()], 2, /--url must be/],
      [['--port', String(port), '--data', temporaryDirectory()], 1, new RegExp(`port ${port} .*in use`)],
      [['--port', '0', '--data', data], 1, /in use by another process/],
    ]
    for (const [args, code, message] of cases) {
      const server = spawnServer(...args)
      expect([args, await server.ended]).toEqual([args, code])
      expect(server.stderr()).toMatch(message)
      expect(server.stdout()).toBe('')
    }
  })

  it('[SRV1] shows help and version', () => {
    const run = (flag: string) => execFileSync(process.execPath, [BIN, flag], { encoding: 'utf8' })
    expect(run('--version')).toBe(`${VERSION}\n`)
    const help = run('--help')
    for (const option of ['--host', '--port', '--data', '--url']) expect(help).toContain(option)
  })

  it('[SRV1] hints at --url where the host says nothing about what clients dial', async () => {
    const server = spawnServer('--host', '0.0.0.0', '--port', '0', '--data', temporaryDirectory())
    await vi.waitFor(() => expect(server.stdout()).toMatch(/listening on ws:\/\/0\.0\.0\.0:\d+\/sync/), {
      timeout: 15_000,
    })
    expect(server.stderr()).toContain('--url')
    const client = await connectClient(
      server.stdout().replace(/^.*0\.0\.0\.0:(\d+).*\n$/, 'ws://127.0.0.1:$1/sync'),
      alice,
    )
    expect((await client.publish(chatEvent(alice))).accepted).toBe(true)
  })

  it('[ING5][S5] whatever was answered OK is there after kill -9', async () => {
    const data = temporaryDirectory()
    const confirmed: string[] = []
    for (const killAfter of [1, 7, 23]) {
      const events = Array.from({ length: 60 }, (_, index) => chatEvent(alice, { chatId: `c${index % 3}` }))
      const sent = new Set(events.map(({ id }) => id))
      const server = spawnServer('--port', '0', '--data', data)
      const client = await connectClient(await readyUrl(server), alice)
      const oks = () =>
        client.messages.filter(([type, id, ok]) => type === 'OK' && ok === true && sent.has(String(id)))
      for (const event of events) client.send('EVENT', event)
      await client.waitFor(() => oks().length >= killAfter)
      server.kill('SIGKILL')
      await server.ended
      await client.closed
      confirmed.push(...oks().map(([, id]) => String(id)))
    }
    const server = spawnServer('--port', '0', '--data', data)
    const client = await connectClient(await readyUrl(server), alice)
    const { events: found } = await client.request('s', { kinds: [30001] })
    const ids = new Set(found.map(({ id }) => id))
    expect(confirmed.length).toBeGreaterThanOrEqual(31)
    expect(confirmed.filter((id) => !ids.has(id))).toEqual([])
    client.socket.terminate()
  })
})

describe('embedding', () => {
  it('[SRV3] close stores and answers what is queued, then closes with 1012; it may be called twice', async () => {
    const log = createMemoryLog()
    const server = await runServer({ log })
    const client = await connect(server, alice)
    await client.request('live', { after: '' })
    const commit = log.commit.bind(log)
    let closing: Promise<void> | undefined
    vi.spyOn(log, 'commit').mockImplementationOnce(async (value) => {
      closing = server.close()
      await Promise.resolve()
      await commit(value)
    })
    const event = chatEvent(alice)
    expect(await client.publish(event)).toEqual({ accepted: true, reason: '' })
    expect((await client.closed).code).toBe(1012)
    await closing
    await server.close()
    expect(client.eventsOf('live').map(({ event: { id } }) => id)).toEqual([event.id])
    await expect(log.has([event.id])).rejects.toThrow(/closed/)
    await expect(connectClient(server.url)).rejects.toThrow()
  })

  it('[SRV3] a server that could not start leaves nothing open', async () => {
    const data = temporaryDirectory()
    const first = await runServer()
    const port = first.address?.port as number
    const second = createSyncServer({ port, data })
    await expect(second.listen()).rejects.toMatchObject({ code: 'CONFIG_INVALID' })
    await second.close()
    await runServer({ data })
  })

  it('[SRV3] options are checked', () => {
    const log = createMemoryLog()
    for (const options of [
      {},
      { data: 'x', log },
      { log, port: -1 },
      { log, url: 'http:x' },
      { log, url: 'nonsense' },
    ]) {
      expect(() => createSyncServer(options)).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }))
    }
    expect(() => createSyncServer({ log }).url).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }))
  })

  const UNREAD = [
    ['counts', ['COUNT', 'x'.repeat(64), { kinds: [1] }]],
    ['refusals', ['COUNT', 'x'.repeat(64)]],
    ['comparisons of sets', ['NEG-MSG', 'x'.repeat(64), '6100000200']],
  ] as const
  for (const [what, message] of UNREAD) {
    it(`[SRV5][S7][ATK33] a peer that reads no answers to ${what} is cut off once too much is queued`, async () => {
      const server = await runServer({
        limits: {
          maxQueuedBytes: 200_000,
          // It shall be cut off for what it doesn't read, not held back for what it says.
          maxRequestsPerMinute: 10 ** 9,
          maxMessagesPerMinute: 10 ** 9,
          maxMessagesPerMinutePerAddress: 10 ** 9,
          maxBytesPerMinute: 10 ** 12,
          maxBytesPerMinutePerAddress: 10 ** 12,
        },
      })
      const [deaf, other] = [await connect(server, alice), await connect(server, alice)]
      deaf.send('NEG-OPEN', 'x'.repeat(64), { kinds: [1] }, '6100000200')
      await deaf.waitFor(([type]) => type === 'NEG-MSG')
      deaf.socket.pause()
      // Answers are queued, as nothing else is: a subscription stops reading for a full socket by itself.
      const text = JSON.stringify(message)
      const flood = setInterval(() => {
        // In portions, because the server that has to read them shares this thread.
        const isWorthwhile = () => deaf.socket.readyState === 1 && deaf.socket.bufferedAmount < 1_000_000
        for (let index = 0; index < 500 && isWorthwhile(); index++) deaf.sendText(text)
      }, 5)
      afterThisTest(() => clearInterval(flood))
      await vi.waitFor(
        async () => {
          expect(await metricsOf(server)).toContain('onyx_sync_connections 1\n')
        },
        { timeout: 25_000, interval: 50 },
      )
      clearInterval(flood)
      expect((await other.publish(chatEvent(alice))).accepted).toBe(true)
    })
  }

  it('[SRV5][S7] a peer that reads on after all is told to come back later', async () => {
    // Time enough to read, however busy the machine is.
    const setTimeout: Clock['setTimeout'] = (callback, ms) => systemClock.setTimeout(callback, ms * 100)
    const server = await runServer({
      clock: { ...systemClock, setTimeout },
      limits: { maxQueuedBytes: 200_000, maxRequestsPerMinute: 10 ** 9 },
    })
    const deaf = await connect(server, alice)
    deaf.socket.pause()
    const closed = new Promise<number>((resolve) => deaf.socket.once('close', resolve))
    const flood = setInterval(() => {
      const isWorthwhile = () => deaf.socket.readyState === 1 && deaf.socket.bufferedAmount < 1_000_000
      for (let index = 0; index < 500 && isWorthwhile(); index++) deaf.send('COUNT', 'x'.repeat(64))
    }, 5)
    afterThisTest(() => clearInterval(flood))
    await vi.waitFor(
      async () => {
        expect(await metricsOf(server)).toMatch(/^onyx_sync_slow_readers_dropped_total [1-9]/m)
      },
      { timeout: 25_000, interval: 50 },
    )
    clearInterval(flood)
    deaf.socket.resume()
    expect(await closed).toBe(1013)
  })
})

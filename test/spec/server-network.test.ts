import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import type { IncomingMessage } from 'node:http'
import { connect as connectTcp, type Socket } from 'node:net'
import { join } from 'node:path'
import { connect as connectTls } from 'node:tls'
import { fileURLToPath } from 'node:url'
import { createMemoryLog, createSyncServer } from '@onyx-sync/server'
import { describe, expect, it, vi } from 'vitest'
import { WebSocket } from 'ws'
import { createClientAddresses, isNetwork } from '../../server/src/adapters/client-address.js'
import { afterThisTest } from '../support/after-test.js'
import { authEvent, chatEvent, testKey } from '../support/events.js'
import { connect, runServer } from '../support/servers.js'
import { temporaryDirectory } from '../support/temporary-directory.js'

const BIN = fileURLToPath(new URL('../../server/bin/onyx-sync-server.js', import.meta.url))
const fixture = (name: string) => fileURLToPath(new URL(`../support/tls/${name}`, import.meta.url))
const alice = testKey(1)

/** A directory with a certificate and its key, which can be replaced. */
function tlsFiles() {
  const directory = temporaryDirectory()
  const files = { cert: join(directory, 'cert.pem'), key: join(directory, 'key.pem') }
  const use = (suffix: string) => {
    copyFileSync(fixture(`cert${suffix}.pem`), files.cert)
    copyFileSync(fixture(`key${suffix}.pem`), files.key)
  }
  use('')
  return { files, use }
}

/** The fingerprint of the certificate that a port shows. */
async function certificateAt(port: number): Promise<string> {
  const socket = connectTls({ host: '127.0.0.1', port, rejectUnauthorized: false })
  await once(socket, 'secureConnect')
  const { fingerprint256 } = socket.getPeerCertificate()
  socket.destroy()
  return fingerprint256
}

describe('TLS', () => {
  it('[TLS1] a server of its own speaks wss:, and says so in its URL', async () => {
    const { files } = tlsFiles()
    const server = await runServer({ tls: files })
    expect(server.url).toMatch(/^wss:\/\/127\.0\.0\.1:\d+\/sync$/)
    const socket = new WebSocket(server.url, { ca: readFileSync(files.cert) })
    afterThisTest(() => socket.terminate())
    const [data] = await once(socket, 'message')
    const [, challenge] = JSON.parse(String(data)) as [string, string]
    const login = authEvent(alice, server.url, challenge)
    socket.send(JSON.stringify(['AUTH', login]))
    expect(JSON.parse(String((await once(socket, 'message'))[0]))).toEqual(['OK', login.id, true, ''])
    await expect(
      once(new WebSocket(server.url.replace('wss', 'ws')), 'open', { signal: AbortSignal.timeout(10_000) }),
    ).rejects.toThrow()
  })

  it('[TLS1] files that cannot be used are named', () => {
    const { files } = tlsFiles()
    const create = (tls: { cert: string; key: string }) => () =>
      createSyncServer({ log: createMemoryLog(), tls })
    const failing = (message: RegExp) =>
      expect.objectContaining({ code: 'CONFIG_INVALID', message: expect.stringMatching(message) })
    expect(create({ ...files, key: '/nowhere.pem' })).toThrow(
      failing(/^tls\.key can't be read: ENOENT.*nowhere/),
    )
    expect(create({ ...files, key: fixture('key-2.pem') })).toThrow(failing(/are no certificate and its key/))
    expect(create({ cert: files.cert } as never)).toThrow(failing(/^tls\.key is missing/))
  })

  it('[TLS2] both are read again for new connections; what cannot be used changes nothing', async () => {
    const { files, use } = tlsFiles()
    const server = await runServer({ tls: files })
    const port = server.address?.port as number
    const before = await certificateAt(port)
    const open = new WebSocket(server.url, { ca: readFileSync(files.cert) })
    afterThisTest(() => open.terminate())
    await once(open, 'open')
    use('-2')
    expect(await certificateAt(port)).toBe(before)
    server.reloadTls()
    const after = await certificateAt(port)
    expect(after).not.toBe(before)
    writeFileSync(files.key, 'nonsense')
    expect(() => server.reloadTls()).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }))
    expect(await certificateAt(port)).toBe(after)
    expect(open.readyState).toBe(WebSocket.OPEN)
  })

  it('[TLS2] the command reads them again on SIGHUP', async () => {
    const { files, use } = tlsFiles()
    const data = temporaryDirectory()
    const args = ['--port', '0', '--data', data, '--tls-cert', files.cert, '--tls-key', files.key]
    const child = spawn(process.execPath, [BIN, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
    afterThisTest(() => child.kill('SIGKILL'))
    let [stdout, stderr] = ['', '']
    child.stdout.on('data', (chunk) => {
      stdout += chunk
    })
    child.stderr.on('data', (chunk) => {
      stderr += chunk
    })
    const port = await vi.waitFor(
      () => {
        const match = /^onyx-sync listening on wss:\/\/127\.0\.0\.1:(\d+)\/sync$/m.exec(stdout)
        if (match === null) throw new Error(stdout + stderr)
        return Number(match[1])
      },
      { timeout: 20_000 },
    )
    const before = await certificateAt(port)
    use('-2')
    child.kill('SIGHUP')
    await vi.waitFor(() => expect(stderr).toContain('were read again'), { timeout: 20_000 })
    expect(await certificateAt(port)).not.toBe(before)
  })
})

describe('where a connection comes from', () => {
  function from(trusted: readonly string[], remoteAddress: string, headers: Record<string, string> = {}) {
    return createClientAddresses(trusted).of({
      headers,
      socket: { remoteAddress },
    } as unknown as IncomingMessage)
  }
  const address = (...args: Parameters<typeof from>) => from(...args).address

  it('[PROX1] only a trusted proxy is believed; of another one the log tells once', async () => {
    const spoofed = { 'x-forwarded-for': '198.51.100.1', forwarded: 'for=198.51.100.2' }
    expect(from([], '203.0.113.5', spoofed)).toEqual({ address: '203.0.113.5', isBehindProxy: true })
    expect(address(['10.0.0.0/8'], '203.0.113.5', spoofed)).toBe('203.0.113.5')
    expect(from(['10.0.0.0/8'], '10.1.2.3', { 'x-forwarded-for': '198.51.100.1' })).toEqual({
      address: '198.51.100.1',
      isBehindProxy: false,
    })
    expect(address(['fd00::/8'], 'fd00::1', { 'x-forwarded-for': '198.51.100.1' })).toBe('198.51.100.1')
    expect(from(['10.0.0.0/8'], '10.1.2.3')).toEqual({ address: '10.1.2.3', isBehindProxy: false })
    const warn = vi.fn()
    const logger = { debug() {}, info() {}, warn, error() {} }
    const server = await runServer({ logger })
    for (let index = 0; index < 2; index++) {
      const socket = new WebSocket(server.url, { headers: { 'X-Forwarded-For': '198.51.100.1' } })
      afterThisTest(() => socket.terminate())
      await once(socket, 'open')
    }
    expect(warn).toHaveBeenCalledTimes(1)
    expect(warn).toHaveBeenCalledWith(expect.stringContaining('trustedProxies'), { address: '127.0.0.1' })
  })

  it('[PROX2] the right-most address that is no trusted proxy counts', () => {
    const trusted = ['10.0.0.0/8', '192.0.2.7']
    const cases: [string, string][] = [
      ['198.51.100.1', '198.51.100.1'],
      ['1.1.1.1, 198.51.100.1', '198.51.100.1'],
      ['1.1.1.1, 198.51.100.1, 10.9.9.9, 192.0.2.7', '198.51.100.1'],
      ['198.51.100.1:4711', '198.51.100.1'],
      ['10.0.0.2', '10.0.0.2'],
      ['198.51.100.1, unknown', '10.0.0.1'],
      ['198.51.100.1, ', '10.0.0.1'],
      ['nonsense', '10.0.0.1'],
    ]
    for (const [header, expected] of cases) {
      expect([header, address(trusted, '10.0.0.1', { 'x-forwarded-for': header })]).toEqual([
        header,
        expected,
      ])
    }
    const forwarded: [string, string][] = [
      ['for=198.51.100.1', '198.51.100.1'],
      ['for=1.1.1.1, for=198.51.100.1;proto=https;by=10.0.0.1, for=10.9.9.9', '198.51.100.1'],
      ['For="[2001:db8:1:2::9]:4711"', '2001:db8:1:2::/64'],
      ['for=_hidden', '10.0.0.1'],
      ['proto=https', '10.0.0.1'],
    ]
    for (const [header, expected] of forwarded) {
      const headers = { forwarded: header, 'x-forwarded-for': '7.7.7.7' }
      expect([header, address(trusted, '10.0.0.1', headers)]).toEqual([header, expected])
    }
  })

  it('[PROX3] an IPv6 address stands for its network, one in IPv6 form for its IPv4 address', () => {
    for (const [given, expected] of [
      ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
      ['2001:DB8:0001:2::9', '2001:db8:1:2::/64'],
      ['2001:db8::1', '2001:db8:0:0::/64'],
      ['::1', '0:0:0:0::/64'],
      ['fe80::1%eth0', 'fe80:0:0:0::/64'],
      ['::ffff:203.0.113.5', '203.0.113.5'],
    ] as const) {
      expect([given, address([], given)]).toEqual([given, expected])
    }
    for (const network of ['10.0.0.0/8', '::1', 'fd00::/8', '1.2.3.4']) expect(isNetwork(network)).toBe(true)
    for (const text of [
      '',
      'localhost',
      '10.0.0.0/33',
      '::/129',
      '1.2.3',
      '1.2.3.4/',
      '1.2.3.4/8/8',
      '1.2.3.4/-1',
    ])
      expect([text, isNetwork(text)]).toEqual([text, false])
  })
})

describe('a connection that has not said what it wants', () => {
  async function tcp(port: number): Promise<Socket> {
    const socket = connectTcp(port, '127.0.0.1')
    afterThisTest(() => socket.destroy())
    socket.on('error', () => {})
    await once(socket, 'connect')
    return socket
  }

  it('[NET1] is closed when it says nothing, too little or too much', async () => {
    const server = await runServer({ log: createMemoryLog(), limits: { maxHandshakeSeconds: 0.2 } })
    const port = server.address?.port as number
    const [silent, slow, large] = [await tcp(port), await tcp(port), await tcp(port)]
    slow.write('GET /sync HTTP/1.1\r\nHost: x\r\n')
    large.write(`GET /sync HTTP/1.1\r\nHost: x\r\nX: ${'x'.repeat(17 * 1024)}\r\n\r\n`)
    let answer = ''
    large.on('data', (chunk) => {
      answer += chunk
    })
    for (const socket of [silent, slow]) socket.resume()
    await Promise.all([silent, slow, large].map((socket) => once(socket, 'close')))
    expect(answer).toMatch(/^HTTP\/1\.1 431 /)
    // A connection that has been upgraded is none of these.
    const client = await connect(server, alice)
    expect((await client.publish(chatEvent(alice))).accepted).toBe(true)
  })

  it('[NET1] may come from any origin', async () => {
    const server = await runServer({ log: createMemoryLog() })
    const socket = new WebSocket(server.url, { origin: 'https://app.example.com' })
    afterThisTest(() => socket.terminate())
    await once(socket, 'open')
  })
})

describe('what is in the way of a start', () => {
  it('[SRV6] a path that cannot be written is named, with what to do', async () => {
    const file = join(temporaryDirectory(), 'file')
    writeFileSync(file, 'not ours')
    for (const data of [file, join(file, 'below')]) {
      await expect(createSyncServer({ data, port: 0 }).listen()).rejects.toMatchObject({
        code: 'CONFIG_INVALID',
        message: expect.stringMatching(/file: (name a|choose another data) directory/),
      })
    }
    expect(readFileSync(file, 'utf8')).toBe('not ours')
  })

  it('[SRV6] a port in use and a directory in use are named, and who uses them goes on', async () => {
    const data = temporaryDirectory()
    const first = await runServer({ data })
    const client = await connect(first, alice)
    const port = first.address?.port as number
    const other = join(temporaryDirectory(), 'other')
    await expect(createSyncServer({ data: other, port }).listen()).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: `port ${port} on 127.0.0.1 is in use by another program: stop it, or choose another port`,
    })
    await expect(createSyncServer({ data, port: 0 }).listen()).rejects.toMatchObject({
      code: 'DATA_LOCKED',
      message: expect.stringMatching(/in use by another process: stop it, or choose another data directory/),
    })
    expect((await client.publish(chatEvent(alice))).accepted).toBe(true)
    // What was made for the one that couldn't listen can be used by the next.
    expect(existsSync(other)).toBe(true)
    await connect(await runServer({ data: other }), alice)
  })
})

import { connect as dial } from 'node:net'
import type { Logger } from '@onyx-sync/shared'
import { describe, expect, it } from 'vitest'
import { chatEvent, membersOf, testKey, trainingEvent } from '../support/events.js'
import { hostileUpdate, value } from '../support/hostile-updates.js'
import { expectServed, noticeFor } from '../support/relay-client.js'
import { connect, runServer } from '../support/servers.js'

const alice = testKey(1)
const bob = testKey(2)

describe('words that mean something to a machine', () => {
  it('[ATK20] such as __proto__ change nothing but what they are said of', async () => {
    const server = await runServer()
    const client = await connect(server, alice)
    client.sendText(
      `["REQ","p",{"__proto__":{"kinds":[1],"polluted":true},"constructor":{"prototype":{"polluted":true}}}]`,
    )
    await client.waitFor(([type, id]) => (type === 'EOSE' || type === 'CLOSED') && id === 'p')
    client.sendText(`["EVENT",{"__proto__":${JSON.stringify(trainingEvent(alice))}}]`)
    expect((await client.waitFor(([type]) => type === 'OK' || type === 'NOTICE', 2))[2]).not.toBe(true)
    const names = ['__proto__', 'constructor', 'toString']
    for (const chatId of names) {
      const update = hostileUpdate([[7, 0, [value('metadata', { polluted: true }, '__proto__')]]])
      expect((await client.publish(chatEvent(alice, { chatId, update }))).accepted).toBe(true)
    }
    expect((await client.request('chats', { '#d': names })).events).toHaveLength(3)
    await client.request('summaries', { kinds: [30001], after: '', summaries: true })
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined()
    await expectServed(client)
  })

  it('[ATK21] such as line breaks forge no line of the log, and nothing that is private gets into it', async () => {
    const lines: string[] = []
    const note = (message: string, fields?: Record<string, unknown>) => {
      lines.push(`${message} ${JSON.stringify(fields ?? {})}`)
    }
    const logger: Logger = { debug: note, info: note, warn: note, error: note }
    const server = await runServer({ logger })
    const client = await connect(server, alice)
    const secret = 'nsec1 the words of a mnemonic'
    await client.publish({ ...trainingEvent(alice, secret), kind: 4 })
    await client.publish(chatEvent(alice, { chatId: 'x\n[error] all is lost\r\n', text: secret }))
    await noticeFor(client, JSON.stringify(['WHAT\n[error] all is lost', secret]))
    await client.request('sub\nforged', { ids: ['not hex\n'] })
    await client.close()
    expect(lines.filter((line) => /[\r\n]/.test(line) || line.includes(secret))).toEqual([])
  })

  it('[ATK22] such as ../ and %00 lead to no file', async () => {
    const server = await runServer()
    const { port } = new URL(server.url)
    const paths = [
      '/../../etc/passwd',
      '/%2e%2e/%2e%2e/etc/passwd',
      '//etc/passwd',
      '/sync/../metrics%00',
      '/..\\..\\etc',
    ]
    for (const path of paths) {
      const answer = await rawGet(Number(port), path)
      expect(answer).toMatch(/^HTTP\/1\.1 (?:400|404) /)
      expect(answer).not.toContain('root:')
    }
  })

  it('[ATK23] a request from another site changes nothing: only reading is answered over HTTP', async () => {
    const server = await runServer()
    const base = server.url.replace('ws:', 'http:').replace('/sync', '')
    for (const method of ['POST', 'PUT', 'DELETE', 'PATCH']) {
      const answer = await fetch(`${base}/healthz`, { method, headers: { origin: 'https://evil.example' } })
      expect(answer.status).toBe(405)
      expect(answer.headers.get('access-control-allow-credentials')).toBeNull()
    }
  })

  it('[ATK24] a membership that was taken back does not come again with the event that gave it', async () => {
    const server = await runServer()
    const [owner, member] = [await connect(server, alice), await connect(server, bob)]
    const shared = chatEvent(alice, { members: membersOf(bob), createdAt: 1_764_000_001 })
    await owner.publish(shared)
    await owner.publish(chatEvent(alice, { createdAt: 1_764_000_002 }))
    expect((await owner.publish(shared)).reason).toMatch(/^duplicate: /)
    await owner.publish(chatEvent(alice, { members: membersOf(bob), createdAt: 1_764_000_001 }))
    expect((await member.request('s', { kinds: [30001] })).events).toEqual([])
    expect((await member.publish(chatEvent(bob, { owner: alice }))).reason).toMatch(/^restricted: /)
  })
})

/** What a server says to a request whose path no client library would send. */
async function rawGet(port: number, path: string): Promise<string> {
  return await new Promise((resolve, reject) => {
    const socket = dial(port, '127.0.0.1', () =>
      socket.end(`GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`),
    )
    let text = ''
    socket.on('data', (data) => {
      text += String(data)
    })
    socket.on('error', reject)
    socket.on('close', () => resolve(text))
  })
}

import { bytesToHex } from '@onyx-sync/shared'
import { describe, expect, it } from 'vitest'
import { keyOf } from '../../server/src/adapters/level/keys.js'
import {
  createLineLogger,
  LOG_LEVELS,
  type LogFormat,
  type LogLevel,
} from '../../server/src/adapters/line-logger.js'
import { rewrite, tamper } from '../support/damage.js'
import {
  authEvent,
  client as awareness,
  chatEvent,
  presenceEvent,
  testKey,
  trainingEvent,
} from '../support/events.js'
import { flipBit } from '../support/flip-bit.js'
import { connect, runServer } from '../support/servers.js'
import { temporaryDirectory } from '../support/temporary-directory.js'

const alice = testKey(1)
const bob = testKey(2)

function lines(format: LogFormat, level: LogLevel) {
  const written: string[] = []
  const logger = createLineLogger({ format, level, now: () => 0, write: (line) => written.push(line) })
  return { written, logger }
}

describe('the log', () => {
  it('[LOG1] is one JSON object a line, or text for people, from a level on', () => {
    const json = lines('json', 'info')
    for (const level of LOG_LEVELS) json.logger[level]('said', { level: 'mine', connection: 3 })
    expect(json.written.map((line) => JSON.parse(line))).toEqual(
      ['info', 'warn', 'error'].map((level) => ({
        time: '1970-01-01T00:00:00.000Z',
        level,
        message: 'said',
        connection: 3,
      })),
    )
    expect(json.written.every((line) => line.endsWith('}\n'))).toBe(true)
    const text = lines('text', 'error')
    text.logger.warn('quiet')
    text.logger.error('loud', { error: 'x' })
    text.logger.error('plain')
    expect(text.written).toEqual([
      '1970-01-01T00:00:00.000Z error loud {"error":"x"}\n',
      '1970-01-01T00:00:00.000Z error plain\n',
    ])
  })

  it('[LOG1][LOG2] numbers connections, and shows no key, challenge, signature or content at any level', async () => {
    const data = temporaryDirectory()
    const { written, logger } = lines('json', 'debug')
    const server = await runServer({ data, logger })
    const [a, b] = [await connect(server, alice), await connect(server, bob)]
    const training = trainingEvent(alice, 'what nobody else may read')
    const events = [chatEvent(alice, { text: 'private' }), training]
    for (const event of events) expect((await a.publish(event)).accepted).toBe(true)
    // Whatever can be refused, and what is no message at all.
    await b.publish(chatEvent(alice))
    await b.publish({ ...training, content: 'forged content' })
    await b.publish(presenceEvent(bob, awareness(1, 1, { typing: 'secret state' }), { owner: alice }))
    await b.auth(bob)
    await b.request('bad', { kinds: ['secret filter'] })
    b.sendText('["REQ", secret text that is no JSON')
    const forged = authEvent(alice, server.url, 'a guessed challenge')
    b.send('AUTH', forged)
    await b.settle()
    await server.close()
    await tamper(data, (db) => rewrite(db, keyOf.event(2), (value) => flipBit(value, 0)))
    const again = await runServer({ data, logger })
    const reader = await connect(again, alice)
    await reader.request('all', {})
    await again.close()

    const log = written.join('')
    const entries = written.map(
      (line) => JSON.parse(line) as { message: string; connection?: number; code?: string },
    )
    const begun = entries.filter(({ message }) => message === 'a connection begins')
    expect(begun.map(({ connection }) => connection)).toEqual([1, 2, 1])
    expect(entries.filter(({ message }) => message === 'a connection ends')).toHaveLength(3)
    expect(entries).toContainEqual(
      expect.objectContaining({ message: 'refused', connection: 2, code: 'WRITE_RESTRICTED' }),
    )
    expect(log).toContain('unreadable')
    const secrets = [
      ...[alice, bob].flatMap(({ secretKey, publicKey }) => [bytesToHex(secretKey), publicKey]),
      ...[a, b, reader].map(({ challenge }) => challenge),
      ...events.flatMap(({ content, sig, id }) => [content, sig, id, content.slice(0, 10)]),
      forged.sig,
      ...['guessed', 'forged content', 'secret'],
    ]
    for (const secret of secrets) expect(log).not.toContain(secret)
  })

  it('[LOG2] leaves out what an error quotes of a text that is no JSON', () => {
    const { written, logger } = lines('json', 'debug')
    for (const text of ['x private words', '{"a": private', 'x'.repeat(200)]) {
      try {
        JSON.parse(text)
      } catch (error) {
        logger.error('unreadable', { error: String(error) })
      }
    }
    expect(written).toHaveLength(3)
    expect(written.join('')).not.toMatch(/private|xxxx/)
  })
})

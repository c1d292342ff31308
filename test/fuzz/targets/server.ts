import type { IncomingMessage, ServerResponse } from 'node:http'
import { DEFAULT_LIMITS, KIND, type Logger, type NostrEvent, SyncError } from '@onyx-sync/shared'
import { readServerInfo } from '../../../client/src/core/server-info.js'
import { createHttpHandler } from '../../../server/src/adapters/http.js'
import { createMemoryLog } from '../../../server/src/adapters/memory-log.js'
import { checkEvent, decodeContentOf } from '../../../server/src/core/check-event.js'
import { createCursorCodec } from '../../../server/src/core/cursor.js'
import { createRelay } from '../../../server/src/core/relay.js'
import type { Peer } from '../../../server/src/ports/peer.js'
import { jsonOf, type Target, textOf } from '../target.js'
import {
  anySignature,
  jsonInput,
  MEMBER,
  NOW_MS,
  OWNER,
  RELAY_URL,
  SERVER,
  sampleTemplates,
  settingsTemplate,
  signed,
} from './samples.js'
import { accepted, textInputs } from './wire.js'

const KEYS = new Set([OWNER, MEMBER])

export const events: Target = {
  name: 'events',
  percent: 20,
  summary: 'events, as a server checks them before it looks at its log',
  kind: 'json',
  modules: [
    '/server/src/core/check-event.js',
    '/shared/dist/event.js',
    '/shared/dist/update-event.js',
    '/shared/dist/part-tag.js',
  ],
  seeds: () => [settingsTemplate(), ...sampleTemplates()].map((template) => jsonInput(signed(template))),
  run(input) {
    const value = jsonOf(input)
    const checks = { keys: KEYS, verifier: anySignature, limits: DEFAULT_LIMITS }
    const checked = accepted(() => checkEvent(value, checks))
    if (checked?.content === undefined) return
    const again = decodeContentOf(JSON.parse(checked.json) as NostrEvent, DEFAULT_LIMITS)
    if (again.content.address !== checked.content.address)
      throw new Error('another document when it is read again')
  },
}

const CURSOR_LOG = {
  databaseId: 'db-1',
  head: 40,
  epochs: [
    { id: '0123456789abcdef', fromSeq: 1 },
    { id: 'fedcba9876543210', fromSeq: 20 },
  ],
}

export const cursors: Target = {
  name: 'cursors',
  percent: 400,
  summary: 'cursors',
  kind: 'text',
  modules: ['/server/src/core/cursor.js'],
  seeds: () => {
    const { format } = createCursorCodec(CURSOR_LOG, [OWNER])
    return textInputs('', format(0), format(7), format(25), format(40), format(41))
  },
  run(input) {
    const codec = createCursorCodec(CURSOR_LOG, [OWNER])
    const text = textOf(input)
    const position = accepted(() => codec.parse(text))
    if (position === undefined || position.seq === 0) return
    const { seq } = position
    if (!Number.isSafeInteger(seq) || seq < 0 || seq > CURSOR_LOG.head) throw new Error(`position ${seq}`)
  },
}

const PATHS = ['/', '/sync', '/healthz', '/readyz', '/metrics']

export const http: Target = {
  name: 'http',
  summary: 'requests over plain HTTP',
  kind: 'json',
  modules: ['/server/src/adapters/http.js'],
  seeds: () => [
    ...PATHS.map((url) => jsonInput({ method: 'GET', url, headers: { accept: '*/*' } })),
    jsonInput({ method: 'GET', url: '/sync?x=1', headers: { accept: 'application/nostr+json' } }),
    jsonInput({ method: 'OPTIONS', url: '/sync#x', headers: {} }),
    jsonInput({ method: 'POST', url: '/../../etc/passwd', headers: { 'content-length': '5' } }),
  ],
  run(input) {
    const value = jsonOf(input)
    if (typeof value !== 'object' || value === null) return undefined
    const { method, url, headers } = value as Record<string, unknown>
    // As Node's parser gives it: texts, without what can't be in a line of HTTP.
    const line = (text: unknown): string | undefined =>
      typeof text === 'string' ? text.replace(/\s/g, '').replaceAll('\0', '') : undefined
    const accept = (headers as Record<string, unknown> | null | undefined)?.accept
    const request = { method: line(method), url: line(url), headers: { accept: line(accept) } }
    const sent: { status: number; ended: number; text: string } = { status: 0, ended: 0, text: '' }
    const response = {
      setHeader() {},
      writeHead(status: number) {
        sent.status = status
        return response
      },
      end(text = '') {
        sent.ended++
        sent.text = text
      },
    }
    HANDLER(request as unknown as IncomingMessage, response as unknown as ServerResponse)
    const check = (): void => {
      if (sent.ended !== 1) throw new Error(`${sent.ended} answers to one request`)
      const path = (request.url ?? '/').split(/[?#]/)[0] as string
      if (sent.status < 300 && !PATHS.includes(path.replace(/(.)\/$/, '$1'))) {
        throw new Error(`${sent.status} for a path that isn't there`)
      }
    }
    // Figures are gathered first: they come in a later tick.
    if (sent.ended === 0)
      return Promise.resolve()
        .then(() => {})
        .then(check)
    check()
    return undefined
  },
}

const HANDLER = createHttpHandler({
  info: () => ({ name: 'fuzzed', supported_nips: [1] }),
  metrics: () =>
    Promise.resolve([{ name: 'onyx_events', help: 'Events.', type: 'counter', samples: [{ value: 1 }] }]),
  isReady: () => true,
  publicUrl: () => 'ws://127.0.0.1/sync?"<&>',
})

export const info: Target = {
  name: 'info',
  percent: 100,
  summary: "a server's NIP-11 document, as a device reads it",
  kind: 'json',
  modules: ['/client/src/core/server-info.js'],
  seeds: () => [
    jsonInput({ yjs_sync: 1, yjs_summaries: 1, self: SERVER, limitation: { max_message_length: 131_072 } }),
    jsonInput({ name: 'a relay', supported_nips: [1, 11], limitation: null }),
  ],
  run(input) {
    const { maxEventBytes } = readServerInfo(jsonOf(input))
    if (!(maxEventBytes > 0)) throw new Error(`events of ${maxEventBytes} bytes`)
  },
}

const PREFIX = /^(?:auth-required|blocked|duplicate|error|invalid|pow|rate-limited|restricted|unsupported): ./

/** Where a relay of a target reports: what it calls a failure of its own is an escape. */
function failingLogger(failures: string[]): Logger {
  const note = (message: string, fields: Record<string, unknown> = {}): void => {
    failures.push(`${message} ${JSON.stringify(fields)}`)
  }
  return { debug() {}, info() {}, warn: note, error: note }
}

/** Whole conversations: a relay on a log in memory, and one connection on which two keys have authenticated. */
export const sessions: Target = {
  name: 'sessions',
  percent: 1,
  summary: 'messages of one connection, with all that a relay does about them',
  kind: 'json',
  modules: [
    '/server/src/core/session.js',
    '/server/src/core/ingest.js',
    '/server/src/core/draft.js',
    '/server/src/core/query.js',
    '/server/src/core/subscription.js',
    '/server/src/core/held-parts.js',
    '/server/src/core/checkpoints.js',
    '/server/src/core/presence.js',
  ],
  seeds() {
    const templates = [settingsTemplate(), ...sampleTemplates()]
    const published = templates.map((template, index) => [
      'EVENT',
      signed(
        template,
        template.tags.some(([name]) => name === 'a') && template.kind === KIND.chat ? MEMBER : OWNER,
        index.toString(16).padStart(64, '0'),
      ),
    ])
    const reads = [
      ['REQ', 'a', { kinds: [KIND.chat], '#d': ['chat'], after: '' }],
      ['REQ', 'b', { authors: [OWNER], limit: 2 }, { ids: ['0'.repeat(64)] }],
      ['REQ', 'c', { kinds: [KIND.chat], after: '', summaries: true }],
      ['REQ', 'd', { kinds: [KIND.writers], '#a': [`30001:${OWNER}:chat`] }],
      ['COUNT', 'd', { kinds: [1, KIND.chat] }],
      ['CLOSE', 'a'],
    ]
    return [
      ...published.map((message) => jsonInput([message])),
      ...reads.map((message) => jsonInput([message])),
      jsonInput([...published.slice(0, 4), ...reads]),
      jsonInput([reads[0], ...published.slice(0, 3), published[1]]),
    ]
  },
  async run(input) {
    const value = jsonOf(input)
    const messages = Array.isArray(value) ? value.slice(0, 12) : [value]
    const failures: string[] = []
    const sent: string[] = []
    const peer: Peer = {
      send: (message) => sent.push(typeof message === 'string' ? message : new TextDecoder().decode(message)),
      queuedBytes: () => 0,
      pause() {},
      resume() {},
      drained: () => Promise.resolve(),
      close() {},
    }
    const relay = createRelay({
      log: createMemoryLog({ databaseId: 'db', serverSecretKey: SECRET }),
      verifier: anySignature,
      limits: DEFAULT_LIMITS,
      clock: { now: () => NOW_MS, setTimeout: () => 0, clearTimeout() {} },
      random: { next: () => 0.5, bytes: (length) => new Uint8Array(length).fill(9) },
      logger: failingLogger(failures),
      sign: (template) => signed(template, SERVER),
      relayUrls: () => [RELAY_URL],
      extraKinds: [0, 6, 7, 1059, 20_100, 30_023],
    })
    const session = relay.connect(peer)
    const [, challenge] = JSON.parse(sent[0] as string) as [string, string]
    for (const [index, key] of [OWNER, MEMBER].entries()) {
      const tags = [
        ['relay', RELAY_URL],
        ['challenge', challenge],
      ]
      const event = { kind: KIND.auth, created_at: NOW_MS / 1000, tags, content: '' }
      session.receive(JSON.stringify(['AUTH', signed(event, key, `${index}`.repeat(64))]))
    }
    for (const message of messages) session.receive(JSON.stringify(message) ?? 'undefined')
    await relay.stop()
    for (let turn = 0; turn < 20; turn++) await Promise.resolve()
    session.end()
    if (failures.length > 0) throw new Error(failures[0])
    for (const text of sent) checkAnswer(text)
  },
}

const SECRET = new Uint8Array(32).fill(3)

/** What is refused is refused with a prefix that says what it means (NIP-01). */
function checkAnswer(text: string): void {
  const [type, , third, fourth] = JSON.parse(text) as unknown[]
  const reason = type === 'OK' && third === false ? fourth : type === 'CLOSED' ? third : undefined
  if (reason === undefined) return
  if (typeof reason !== 'string' || !PREFIX.test(reason))
    throw new SyncError('INTERNAL', `no reason: ${text}`)
}

import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { createElement, Fragment, type ReactNode } from 'react'
import { renderToStaticMarkup } from 'react-dom/server'
import { beforeAll, describe, expect, it } from 'vitest'
import { markdownElements } from '../../client/web/src/chat/markdown-tokens.js'
import { isPlainText, plainElements } from '../../client/web/src/chat/plain-text.js'
import {
  __asyncGenerator,
  __asyncValues,
  __await,
  __awaiter,
} from '../../client/web/src/device/async-helpers.js'
import { chatHash, chatName, isNamed, parseRoute } from '../../client/web/src/parts/route.js'
import { syncWords } from '../../client/web/src/sync/sync-words.js'
import { buildWebClient, WEB_DIRECTORY } from '../support/web-client.js'

const MAX_SCRIPT_BYTES = 250_000

/** What a browser is sent of a file, as gzip where the build has that: brotli is smaller. Bytes. */
function sentBytes(path: string): number {
  const file = join(WEB_DIRECTORY, path)
  return statSync(existsSync(`${file}.gz`) ? `${file}.gz` : file).size
}

describe('the built web client', () => {
  beforeAll(buildWebClient, 120_000)

  it.each(['index.html', 'two.html', 'inspect.html'])(
    '[WEB16] %s loads less than 250 KB of compressed script at first',
    (name) => {
      const html = readFileSync(join(WEB_DIRECTORY, name), 'utf8')
      const scripts = [...html.matchAll(/(?:src|rel="modulepreload"[^>]*href)="([^"]+\.js)"/g)].map(
        ([, path]) => path as string,
      )
      expect(scripts.length).toBeGreaterThan(2)
      const bytes = scripts.map(sentBytes).reduce((sum, size) => sum + size, 0)
      expect(bytes).toBeGreaterThan(50_000)
      expect(bytes).toBeLessThan(MAX_SCRIPT_BYTES)
      // Rare things come when they are asked for.
      const later = readdirSync(join(WEB_DIRECTORY, 'assets')).filter((file) =>
        /^(settings-dialog|qr-code|key-in|chat-dialog|markdown-tokens)-.*\.js$/.test(file),
      )
      expect(later).toHaveLength(5)
      for (const file of later) expect(scripts).not.toContain(`/assets/${file}`)
    },
  )

  it('[WEB16] has async helpers of its own, which do what those of tslib do', async () => {
    const reads = [1, 2]
    // As RxJS reads streams and async iterables.
    const read = () =>
      __asyncGenerator(null, [], function* () {
        for (;;) {
          const value = yield __await(Promise.resolve(reads.shift()))
          if (value === undefined) return yield __await(undefined)
          yield yield __await(value)
        }
      })
    const seen: unknown[] = []
    await __awaiter(null, undefined, undefined, function* () {
      const values = __asyncValues(read())
      for (;;) {
        const { value, done } = (yield values.next()) as IteratorResult<unknown>
        if (done === true) return
        seen.push(value)
      }
    })
    expect(seen).toEqual([1, 2])
    const failing = __asyncGenerator(null, [], function* () {
      try {
        yield __await(Promise.reject(new Error('cut')))
      } catch (error) {
        yield `caught ${(error as Error).message}`
      }
      throw new Error('gone')
    })
    expect(await failing.next()).toEqual({ done: false, value: 'caught cut' })
    await expect(failing.next()).rejects.toThrow('gone')
    await expect(
      __awaiter(null, undefined, undefined, function* () {
        yield Promise.reject(new Error('no'))
      }),
    ).rejects.toThrow('no')
  })

  it('[WEB16] shows a text that has no Markdown in it the same without what reads that', () => {
    const markup = (elements: ReactNode[]) => renderToStaticMarkup(createElement(Fragment, null, ...elements))
    const pieces = [
      'a',
      'Zoë',
      ' ',
      '  ',
      '\n',
      '\n\n',
      '\n\n\n',
      '.',
      '?',
      '-',
      '--',
      '(b)',
      '!',
      '1',
      '"',
      'www',
      'été',
    ]
    let plain = 0
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...pieces), { maxLength: 12 }), (chosen) => {
        const text = chosen.join('')
        if (!isPlainText(text)) return
        plain++
        expect(markup(plainElements(text))).toBe(markup(markdownElements(text)))
      }),
      { numRuns: 5_000 },
    )
    expect(plain).toBeGreaterThan(500)
    const others = [
      '*a*',
      'a `b`',
      '# a',
      '1. a',
      '- a',
      'a\n---',
      'a\n===',
      ' a',
      'a  \nb',
      'see www.a.org',
      'https://a.org',
    ]
    for (const text of [...others, 'a@b.org', 'a &amp; b', '<b>', '| a |', '~~a~~', '\\a'])
      expect(isPlainText(text)).toBe(false)
  })

  it('[WEB4] has nothing inline, and names no other place to load from', () => {
    for (const name of ['index.html', 'two.html', 'inspect.html']) {
      const html = readFileSync(join(WEB_DIRECTORY, name), 'utf8')
      expect(html).not.toMatch(/<script(?![^>]* src=)[^>]*>|<style|\son\w+=|\sstyle=/)
      for (const [, url] of html.matchAll(/(?:src|href)="([^"]*)"/g)) expect(url).toMatch(/^\/[^/]/)
    }
  })
})

describe('the words of the bar', () => {
  const live = {
    connection: 'live',
    unsent: 0,
    refused: 0,
    isCaughtUp: true,
    problem: undefined,
    retryAtMs: undefined,
    mode: 'sync',
    cursor: '',
    documents: 3,
    progress: undefined,
    setAside: 0,
  } as const
  const KEPT = '2 edits kept on this device, not saved yet'
  const cases = [
    [{}, true, 'good', 'Everything is saved on the server', ''],
    [{ unsent: 2 }, true, 'busy', 'Saving 2 edits', ''],
    [{ connection: 'connecting', unsent: 2 }, true, 'busy', 'Connecting', KEPT],
    [{ connection: 'offline', unsent: 2 }, false, 'away', 'Offline, by your switch', KEPT],
    [{ connection: 'waiting', retryAtMs: 4_200 }, true, 'away', 'Offline, reconnecting in 4 s', ''],
    [{ connection: 'waiting', retryAtMs: 900 }, true, 'away', 'Offline, reconnecting in 1 s', ''],
    [
      { connection: 'catching-up', progress: { done: 3, total: 9 } },
      true,
      'busy',
      'Catching up: 3 of 9 chats',
      '',
    ],
    [{ refused: 1, unsent: 2 }, true, 'bad', '1 edit refused by the server', KEPT],
    [{ connection: 'stopped', problem: { code: 'KEY_BLOCKED', message: 'no' } }, true, 'bad', 'no', ''],
    [{ problem: { code: 'SIGNER_FAILED', message: 'it said no' } }, true, 'bad', 'it said no', ''],
    [
      { connection: 'waiting', unsent: 2, problem: { code: 'STORE_FAILED', message: 'the disk is full' } },
      true,
      'bad',
      'This browser has no room left for your chats',
      'New edits are in this page only: keep it open, and free some space',
    ],
    [
      { unsent: 2, problem: { code: 'STORE_FAILED', message: 'denied' } },
      false,
      'bad',
      'This browser’s storage takes nothing',
      'New edits are in this page only: keep it open, and allow the site to store data',
    ],
    [
      { connection: 'waiting', unsent: 2, problem: { code: 'AUTH_CLOCK_SKEW', message: 'clock' } },
      true,
      'bad',
      'The clock of this device is wrong: set it right to go on',
      KEPT,
    ],
    [
      { unsent: 2, problem: { code: 'TAB_SILENT', message: 'silent' } },
      true,
      'bad',
      'Another tab of this page doesn’t answer: close it, and this one goes on',
      'New edits are in this tab only: keep it open. If closing the other isn’t enough, end it in the browser’s task manager',
    ],
  ] as const

  it.each(cases)('[WEB6] %j, network %s: %s, "%s"', (change, isOn, tone, text, more) => {
    expect(syncWords({ ...live, ...change }, isOn, 400)).toMatchObject({ tone, text, more })
  })

  it('[WEB6] says "saved" only where everything is, on a connection that is live', () => {
    for (const [change, isOn, tone, text] of cases) {
      if (tone !== 'good') expect(`${text} ${JSON.stringify(change)} ${isOn}`).not.toMatch(/is saved/)
    }
  })
})

describe('addresses of the page', () => {
  it('[WEB12] tell a chat of one’s own from one of somebody else that has the same id', () => {
    const [own, theirs] = ['a', 'b'].map((owner) => ({
      owner,
      id: 'default',
      address: `30001:${owner}:default`,
    }))
    for (const chat of [own, theirs] as const) {
      const name = parseRoute(chatHash(chatName(chat as never, 'a'))).chat
      expect([own, theirs].filter((other) => isNamed(other as never, name, 'a'))).toEqual([chat])
    }
    expect(parseRoute(chatHash('x?at=1', 12))).toEqual({ view: 'chat', chat: 'x?at=1', around: 12 })
    expect(parseRoute('#/else')).toEqual({ view: 'home' })
  })
})

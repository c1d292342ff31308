import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { openSqlite } from '../../client/src/adapters/node/better-sqlite.js'
import { runDevice, spawnDevice, startServer, terminalDevice } from '../support/processes.js'
import { temporaryDirectory } from '../support/temporary-directory.js'

interface ChatJson {
  readonly address: string
  readonly id: string
  readonly title: string
  readonly messages: readonly { readonly id: string; readonly content: string }[]
}

describe('the terminal device', () => {
  it('[CLI1] keeps the private key in the key file only, readable by its owner', async () => {
    const directory = temporaryDirectory()
    const db = join(directory, 'phone.db')
    const made = await terminalDevice(db)<{ pubkey: string; keyFile: string }>('init')
    expect(made.keyFile).toBe(`${db}.key`)
    expect(statSync(made.keyFile).mode & 0o777).toBe(0o600)
    const nsec = readFileSync(made.keyFile, 'utf8').trim()
    expect(nsec).toMatch(/^nsec1/)
    expect(readFileSync(db).includes(nsec)).toBe(false)
    expect(await terminalDevice(db)('init')).toEqual(made)
  })

  it('[CLI2] derives the key from a mnemonic by NIP-06, or as the Onyx app does', async () => {
    const directory = temporaryDirectory()
    const words = join(directory, 'words')
    writeFileSync(words, 'leader monkey parrot ring guide accident before fence cannon height naive bean\n')
    const nip06 = await terminalDevice(join(directory, 'a.db'))<{ pubkey: string }>(
      'init',
      '--mnemonic-file',
      words,
    )
    expect(nip06.pubkey).toMatch(/^17162c92.*5cd917$/)
    const onyx = await terminalDevice(join(directory, 'b.db'))<{ pubkey: string }>(
      ...['init', '--mnemonic-file', words, '--derivation', 'onyx'],
    )
    expect(onyx.pubkey).toMatch(/^202f43d5.*bda3183$/)
  })

  it('[CLI11] moves chats in and out, and to another account', async () => {
    const directory = temporaryDirectory()
    const phone = terminalDevice(join(directory, 'phone.db'))
    await phone('init')
    const file = join(directory, 'onyx.db')
    const sqlite = openSqlite(file)
    sqlite.exec('create table chats (id text primary key, messages text)')
    const messages = [{ id: 'm1', role: 'user', content: 'Rain in Oslo?', createdAt: 1_720_000_000_000 }]
    sqlite.prepare('insert into chats values (?, ?)').run('default', JSON.stringify(messages))
    sqlite.close()
    const counts = { newChats: 1, newMessages: 1, knownMessages: 0, problems: [] }
    expect(await phone('import-onyx', file)).toEqual({ source: 'onyx', ...counts })
    expect(await phone('import-onyx', file)).toMatchObject({ newMessages: 0, knownMessages: 1 })
    const out = join(directory, 'chats.json')
    expect(await phone('export', '--out', out)).toMatchObject({ chats: 1 })
    expect(statSync(out).mode & 0o777).toBe(0o600)
    const tablet = terminalDevice(join(directory, 'tablet.db'))
    await tablet('init')
    expect(await tablet('import', out)).toEqual({ source: 'onyx-sync', ...counts })
    const real = terminalDevice(join(directory, 'real.db'))
    await real('init')
    expect(await real('move-from', join(directory, 'phone.db'))).toMatchObject({ chats: 1, left: [] })
    expect(await real('rebuild')).toEqual({ documents: 1 })
    expect(await real('chat', 'search', 'rain')).toMatchObject({ messages: [{ message: { id: 'm1' } }] })
  }, 90_000)

  it('[CLI3] says what is wrong, how to mend it, and exits with 1', async () => {
    const db = join(temporaryDirectory(), 'phone.db')
    const missing = await runDevice('chat', 'list', '--db', db)
    expect(missing).toMatchObject({ code: 1, stdout: '' })
    expect(missing.stderr).toContain('onyx-sync init')
    expect(existsSync(db)).toBe(false)
    expect((await runDevice('chat', 'list')).stderr).toContain('--db FILE')
    expect((await runDevice('nonsense', '--db', db)).code).toBe(1)
    await terminalDevice(db)('init')
    const refused = await runDevice('init', '--db', db, '--nsec', '01'.repeat(32))
    expect(refused).toMatchObject({ code: 1 })
    expect(refused.stderr).toContain('--key-file')
    expect(refused.stderr).not.toContain('01'.repeat(32))
  })

  it('[CLI4] helps with every command, with examples', async () => {
    for (const command of [[], ['init'], ['chat', 'send'], ['sync'], ['train']]) {
      const help = await runDevice(...command, '--help')
      expect(help).toMatchObject({ code: 0, stderr: '' })
      expect(help.stdout).toContain('Examples:')
    }
  })

  it('[CLI5] ends sync with 2 and the reason while something is unsent', async () => {
    const db = join(temporaryDirectory(), 'phone.db')
    const device = terminalDevice(db)
    await device('init')
    await device('chat', 'new', '--id', 'oslo')
    const result = await runDevice('sync', '--db', db, '--url', 'ws://127.0.0.1:1/sync', '--timeout', '1')
    expect(result.code).toBe(2)
    expect(result.stderr).toContain('1 edit unsent')
    expect(await device('status')).toMatchObject({ unsent: 1, refused: 0, documents: 1, cursor: '' })
  })
})

describe('the main job', () => {
  it('[CLI12] shares a chat with another account, in a role, and takes it back', {
    timeout: 120_000,
  }, async () => {
    const directory = temporaryDirectory()
    const server = await startServer(join(directory, 'data'))
    const mine = terminalDevice(join(directory, 'mine.db'))
    const theirs = terminalDevice(join(directory, 'theirs.db'))
    const { pubkey: owner } = await mine<{ pubkey: string }>('init')
    const { pubkey } = await theirs<{ pubkey: string }>('init')
    const chat = `30001:${owner}:oslo`
    await mine('chat', 'new', '--id', 'oslo', '--title', 'Trip')
    await mine('chat', 'share', 'oslo', pubkey, '--role', 'read')
    expect(await mine('chat', 'members', 'oslo')).toEqual([{ pubkey, role: 'read' }])
    for (const device of [mine, theirs]) await device('sync', '--url', server.url)
    expect(await theirs<ChatJson>('chat', 'show', chat)).toMatchObject({ title: 'Trip' })
    await expect(theirs('chat', 'send', chat, 'may I?')).rejects.toThrow(/your role .* is "read"/)
    await mine('chat', 'unshare', 'oslo', pubkey)
    await mine('sync', '--url', server.url)
    expect(await mine('chat', 'members', 'oslo')).toEqual([])
  })

  it('[CLI13][DLD1] deletes a chat for good, when it is told that this is meant', {
    timeout: 120_000,
  }, async () => {
    const directory = temporaryDirectory()
    const server = await startServer(join(directory, 'data'))
    const file = join(directory, 'phone.db')
    const [phone, laptop] = [terminalDevice(file), terminalDevice(join(directory, 'laptop.db'))]
    const { keyFile, pubkey } = await phone<{ keyFile: string; pubkey: string }>('init')
    await laptop('init', '--key-file', keyFile)
    await phone('chat', 'new', '--id', 'oslo', '--title', 'Trip to Oslo')
    await phone('chat', 'new', '--id', 'stays')
    await phone('chat', 'send', 'oslo', 'What should I pack?')
    await phone('sync', '--url', server.url)
    await laptop('sync', '--url', server.url)
    const run = (...args: readonly string[]) => runDevice('chat', 'delete-forever', ...args, '--db', file)

    const asked = await run('oslo')
    expect({ code: asked.code, stdout: asked.stdout }).toEqual({ code: 1, stdout: '' })
    expect(asked.stderr).toMatch(/"Trip to Oslo" \(1 message\).*nothing brings it back: say --yes/)
    const unsure = await run('oslo', '--json')
    expect(unsure.code).toBe(1)
    expect(unsure.json).toMatchObject({ error: { code: 'USAGE', message: expect.stringMatching(/--yes/) } })
    expect(await phone<ChatJson>('chat', 'show', 'oslo')).toMatchObject({ messages: [{}] })
    const wrong = [
      [[], /too few arguments/],
      [['oslo', 'm1', '--yes'], /too many arguments/],
      [['nowhere', '--yes'], /no chat "nowhere"/],
    ] as const
    await Promise.all(
      wrong.map(async ([args, message]) => {
        const { code, stderr } = await run(...args)
        expect({ args, code }).toEqual({ args, code: 1 })
        expect(stderr).toMatch(message)
      }),
    )

    const address = `30001:${pubkey}:oslo`
    expect(await phone('chat', 'delete-forever', 'oslo', '--yes')).toEqual({
      deletedForever: 'oslo',
      address,
    })
    const again = await run('oslo', '--yes')
    expect([again.code, again.stderr]).toEqual([1, expect.stringMatching(/deleted/)])
    await phone('sync')
    await laptop('sync')
    for (const device of [phone, laptop]) {
      const list = await device<ChatJson[]>('chat', 'list')
      expect(list.map(({ id }) => id)).toEqual(['stays'])
    }
  })

  it('[CLI6][TRN4] merges what two devices did offline, and gives it to a third', {
    timeout: 120_000,
  }, async () => {
    const directory = temporaryDirectory()
    const key = join(directory, 'key')
    const server = await startServer(join(directory, 'data'))
    const a = terminalDevice(join(directory, 'a.db'))
    const b = terminalDevice(join(directory, 'b.db'))
    const c = terminalDevice(join(directory, 'c.db'))
    for (const device of [a, b, c]) await device('init', '--key-file', key)
    await a('chat', 'new', '--id', 'oslo', '--title', 'Trip')
    const doomed = await a<{ id: string }>('chat', 'send', 'oslo', 'delete me')
    const kept = await a<{ id: string }>('chat', 'send', 'oslo', 'What should I pack?')
    await a('sync', '--url', server.url)
    await b('sync', '--url', server.url)

    await a('chat', 'send', 'oslo', 'from A')
    await a('chat', 'rename', 'oslo', 'Oslo')
    await a('chat', 'edit', 'oslo', kept.id, 'What should I pack in May?')
    await a('settings', 'set', 'activeModel', 'opus')
    await b('chat', 'send', 'oslo', 'from B', '--role', 'assistant')
    await b('chat', 'delete', 'oslo', doomed.id)
    await b('settings', 'feature', 'web-search', 'on')
    await b('train', 'consent', 'on')
    await b('train', 'oslo', kept.id, '--quality', '4')
    for (const device of [a, b, a, c]) await device('sync', '--url', server.url)

    const chat = await a<ChatJson>('chat', 'show', 'oslo')
    expect(chat.title).toBe('Oslo')
    expect(chat.messages.map((message) => message.content).sort()).toEqual([
      'What should I pack in May?',
      'from A',
      'from B',
    ])
    // What one device contributed is the account's: the others list it, also one that came later.
    for (const device of [a, b, c]) {
      expect(await device('train', 'list')).toMatchObject([
        { messageId: kept.id, quality: 4, state: 'sent', content: 'What should I pack?' },
      ])
    }
    const settings = await a('settings', 'get')
    expect(settings).toEqual({
      preferences: { activeModel: 'opus', trainingConsent: true },
      features: { 'web-search': true },
    })
    for (const device of [b, c]) {
      // What was read is each device's own.
      expect({ ...(await device<ChatJson>('chat', 'show', 'oslo')), unreadCount: 0 }).toEqual({
        ...chat,
        unreadCount: 0,
      })
      expect(await device('settings', 'get')).toEqual(settings)
      expect(await device('status')).toMatchObject({ unsent: 0, refused: 0, documents: 2 })
    }
  })

  it('[CLI7][C14] gives another key nothing', { timeout: 120_000 }, async () => {
    const directory = temporaryDirectory()
    const server = await startServer(join(directory, 'data'))
    const owner = terminalDevice(join(directory, 'owner.db'))
    const { pubkey } = await owner<{ pubkey: string }>('init')
    await owner('chat', 'new', '--id', 'oslo')
    await owner('chat', 'send', 'oslo', 'private')
    await owner('sync', '--url', server.url)
    const stranger = terminalDevice(join(directory, 'stranger.db'))
    await stranger('init')
    await stranger('sync', '--url', server.url)
    expect(await stranger('chat', 'list')).toEqual([])
    expect(await stranger('status')).toMatchObject({ documents: 0 })
    const wrong = await runDevice(
      'sync',
      '--db',
      join(directory, 'owner.db'),
      '--key-file',
      join(directory, 'stranger.db.key'),
    )
    expect(wrong.code).toBe(2)
    expect(wrong.stderr).toContain(pubkey)
  })

  it('[CLI8] keeps what it reported as saved when the server is killed, and serves it again', {
    timeout: 120_000,
  }, async () => {
    const directory = temporaryDirectory()
    const data = join(directory, 'data')
    const a = terminalDevice(join(directory, 'a.db'))
    const c = terminalDevice(join(directory, 'c.db'))
    await a('init', '--key-file', join(directory, 'key'))
    await c('init', '--key-file', join(directory, 'key'))
    await a('chat', 'new', '--id', 'oslo')
    let port = 0
    for (let round = 0; round < 3; round++) {
      const server = await startServer(data, port)
      port = server.port
      await a('chat', 'send', 'oslo', `message ${round}`)
      await a('sync', '--url', server.url)
      expect(await server.stop('SIGKILL')).toBe('SIGKILL')
    }
    const server = await startServer(data, port)
    await c('sync', '--url', server.url)
    const { messages } = await c<ChatJson>('chat', 'show', 'oslo')
    expect(messages.map((message) => message.content)).toEqual(['message 0', 'message 1', 'message 2'])
    expect(await server.stop('SIGTERM')).toBe(0)
  })

  it('[CLI9] follows live with --watch, and ends cleanly on a signal', async () => {
    const directory = temporaryDirectory()
    const server = await startServer(join(directory, 'data'))
    const a = terminalDevice(join(directory, 'a.db'))
    const watching = join(directory, 'b.db')
    const b = terminalDevice(watching)
    for (const device of [a, b]) await device('init', '--key-file', join(directory, 'key'))
    const watcher = spawnDevice(['sync', '--watch', '--db', watching, '--url', server.url])
    await new Promise<void>((resolve) => {
      watcher.stderr?.on('data', (chunk) => {
        if (String(chunk).includes('up to date')) resolve()
      })
    })
    const busy = await runDevice('chat', 'list', '--db', watching)
    expect(busy.code).toBe(1)
    expect(busy.stderr).toContain(String(watcher.pid))
    await a('chat', 'new', '--id', 'oslo', '--title', 'live')
    await a('sync', '--url', server.url)
    // The watcher holds the database: what it received shows once it has ended.
    const ended = new Promise((resolve) => watcher.once('exit', resolve))
    watcher.kill('SIGTERM')
    expect(await ended).toBe(0)
    await b('sync', '--url', server.url)
    expect(await b<ChatJson>('chat', 'show', 'oslo')).toMatchObject({ title: 'live' })
  })

  // A closing handshake would be waited for until after this test's time is over.
  it('[CLI10] ends when it has said how it went, whatever its server does', { timeout: 20_000 }, async () => {
    const directory = temporaryDirectory()
    const server = await startServer(join(directory, 'data'))
    const db = join(directory, 'a.db')
    await terminalDevice(db)('init')
    const watcher = spawnDevice(['sync', '--watch', '--db', db, '--url', server.url])
    await new Promise<void>((resolve) => {
      watcher.stderr?.on('data', (chunk) => {
        if (String(chunk).includes('up to date')) resolve()
      })
    })
    server.child.kill('SIGSTOP')
    const ended = new Promise((resolve) => watcher.once('exit', resolve))
    watcher.kill('SIGTERM')
    expect(await ended).toBe(0)
  })
})

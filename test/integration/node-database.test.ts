import { type ChildProcess, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { copyFile, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type BetterSqlite from 'better-sqlite3'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openSqlite } from '../../client/src/adapters/node/better-sqlite.js'
import { onyxModels } from '../../client/src/adapters/watermelon/models.js'
import { ONYX_SCHEMA_VERSION, onyxTables } from '../../client/src/adapters/watermelon/schema.js'
import { watermelonStore } from '../../client/src/adapters/watermelon/store.js'
import { appSchema, schemaMigrations, tableSchema } from '../../client/src/adapters/watermelon/watermelon.js'
import { type NodeDatabase, openNodeDatabase } from '../../client/src/node-database.js'

const require = createRequire(import.meta.url)
const { addColumns } = require('@nozbe/watermelondb/Schema/migrations')
const { default: bridge } = require('@nozbe/watermelondb/adapters/sqlite/sqlite-node/DatabaseBridge')
const CHILD = fileURLToPath(new URL('./children/node-database.mjs', import.meta.url))

let folder: string
let file: string
const opened: NodeDatabase[] = []
const children: ChildProcess[] = []

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'onyx-node-'))
  file = join(folder, 'device')
})

afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
  for (const { close } of opened.splice(0)) await close()
  await rm(folder, { recursive: true })
})

async function open(path = file): Promise<NodeDatabase> {
  const database = await openNodeDatabase({ file: path })
  opened.push(database)
  return database
}

function connectionOf({ database }: NodeDatabase): BetterSqlite.Database {
  const { _tag } = (database.adapter as unknown as { underlyingAdapter: { _tag: number } }).underlyingAdapter
  return bridge.connections[_tag].driver.database.instance
}

/** A process on the file. `lines` grows as it prints; `next` waits for a line that fits. */
function start(mode: 'open' | 'commit') {
  const child = spawn(process.execPath, [CHILD, mode, file], { stdio: ['ignore', 'pipe', 'inherit'] })
  children.push(child)
  const lines: string[] = []
  const listeners = new Set<() => void>()
  let rest = ''
  child.stdout.on('data', (chunk) => {
    const parts = (rest + chunk).split('\n')
    rest = parts.pop() ?? ''
    lines.push(...parts)
    for (const listener of listeners) listener()
  })
  const next = (fits: (line: string) => boolean) =>
    new Promise<string>((resolve, reject) => {
      const check = () => {
        const found = lines.find(fits)
        if (found !== undefined) resolve(found)
      }
      listeners.add(check)
      child.once('exit', () => reject(new Error(`the child ended after: ${lines.slice(-3).join(' | ')}`)))
      check()
    })
  const kill = () =>
    new Promise<void>((resolve) => {
      child.once('close', () => resolve())
      child.kill('SIGKILL')
    })
  return { child, lines, next, kill }
}

async function digest(path: string): Promise<string> {
  return createHash('sha256')
    .update(await readFile(path))
    .digest('hex')
}

describe('openNodeDatabase', () => {
  it('[STO30] keeps to the given file name, without ".db", for its owner only', async () => {
    file = join(folder, 'new', 'deep', "my device's data")
    const database = await open(file)
    await watermelonStore(database.database).commit({ meta: { a: 'b' } })
    expect((await stat(file)).mode & 0o777).toBe(0o600)
    expect((await stat(`${file}.lock`)).mode & 0o777).toBe(0o600)
    expect((await stat(`${file}-wal`)).mode & 0o777).toBe(0o600)
    expect((await stat(join(folder, 'new'))).mode & 0o777).toBe(0o700)
    await database.close()
    await database.close()
    expect(await readdir(join(folder, 'new', 'deep'))).toEqual(["my device's data", "my device's data.lock"])
    const inFile = openSqlite(file, { readonly: true })
    expect(inFile.prepare('select value from sync_meta').pluck().all()).toEqual(['b'])
    inFile.close()
  })

  it('[STO31] commits survive a power cut: WAL, synchronous FULL, on the connection that writes', async () => {
    const connection = connectionOf(await open())
    expect(connection.pragma('journal_mode', { simple: true })).toBe('wal')
    expect(connection.pragma('synchronous', { simple: true })).toBe(2)
    expect(connection.pragma('user_version', { simple: true })).toBe(ONYX_SCHEMA_VERSION)
    const indexes = connection.prepare(`select name from sqlite_master where type = 'index'`).pluck().all()
    expect(indexes).toEqual(expect.arrayContaining(['messages_address_position', 'sync_updates_order']))
  })

  it('[STO32] one at a time: not twice in a process, nor by another path, and again after close', async () => {
    const first = await open()
    await symlink(file, join(folder, 'link'))
    for (const path of [file, join(folder, 'link'), join(folder, '.', 'device')]) {
      const error = await openNodeDatabase({ file: path }).catch((reason) => reason)
      expect(error).toMatchObject({ code: 'DATABASE_LOCKED', retryable: true })
      expect(error.message).toContain('in use by this process')
    }
    await watermelonStore(first.database).commit({ meta: { still: 'works' } })
    await first.close()
    const second = await open()
    expect(await watermelonStore(second.database).loadMeta()).toEqual({ still: 'works' })
  })

  it('[STO32] a second process is told who has the file; a killed one leaves no lock behind', async () => {
    const holder = start('open')
    await holder.next((line) => line === 'open')
    const error = await openNodeDatabase({ file }).catch((reason) => reason)
    expect(error).toMatchObject({ code: 'DATABASE_LOCKED' })
    expect(error.message).toBe(
      `${file} is in use by process ${holder.child.pid}; only one at a time may open it`,
    )
    await holder.kill()
    await open()
    const late = start('open')
    const refusal = await late.next((line) => line.startsWith('DATABASE_'))
    expect(refusal).toContain(`DATABASE_LOCKED ${file} is in use by process ${process.pid}`)
  })

  it('[STO33] a newer version is refused, and the file is the same byte for byte', async () => {
    await (await open()).close()
    const sqlite = openSqlite(file)
    sqlite.pragma(`user_version = ${ONYX_SCHEMA_VERSION + 1}`)
    sqlite.close()
    const before = await digest(file)
    const error = await openNodeDatabase({ file }).catch((reason) => reason)
    expect(error).toMatchObject({ code: 'DATABASE_NEWER', retryable: false })
    expect(error.message).toContain(file)
    expect(await digest(file)).toBe(before)
  })

  it('[STO34] what is not our database is refused and not touched', async () => {
    const foreign = (setUp: string) => async () => {
      const sqlite = openSqlite(file)
      sqlite.exec(setUp)
      sqlite.close()
    }
    const kinds = [
      () => writeFile(file, 'just some text, long enough to be taken for something else'.repeat(50)),
      () => writeFile(file, 'x'),
      foreign('create table photos (id)'),
      foreign('create table photos (id); pragma user_version = 1'),
      foreign('create table photos (id); pragma user_version = 99'),
      foreign('create table local_storage (id); pragma user_version = 1'),
    ]
    for (const create of kinds) {
      await rm(file, { force: true })
      await create()
      const before = await digest(file)
      const error = await openNodeDatabase({ file }).catch((reason) => reason)
      expect(error).toMatchObject({ code: 'DATABASE_UNREADABLE' })
      expect(error.message).toContain(file)
      expect(await digest(file)).toBe(before)
    }
    await expect(openNodeDatabase({ file: folder })).rejects.toMatchObject({
      code: 'DATABASE_UNREADABLE',
      message: `${folder} is a directory: name a file in it`,
    })
    expect(existsSync(`${folder}.lock`)).toBe(false)
    await expect(openNodeDatabase({ file: join(folder, 'device', 'x') })).rejects.toMatchObject({
      code: 'DATABASE_UNREADABLE',
    })
    await expect(openNodeDatabase({ file: `${file} ` })).rejects.toMatchObject({
      code: 'DATABASE_UNREADABLE',
    })
  })

  it('[STO35] a crash during the first creation leaves a file that opens', async () => {
    const states = [
      async () => writeFile(file, ''),
      async () => {
        const sqlite = openSqlite(file)
        sqlite.pragma('journal_mode = WAL')
        sqlite.close()
      },
      async () => {
        // As a kill right after the creation leaves it: all in the log, hardly anything in the file.
        const other = await open(join(folder, 'other'))
        await copyFile(join(folder, 'other'), file)
        await copyFile(join(folder, 'other-wal'), `${file}-wal`)
        await other.close()
      },
    ]
    for (const create of states) {
      for (const suffix of ['', '-wal', '-shm']) await rm(file + suffix, { force: true })
      await create()
      const database = await open()
      await watermelonStore(database.database).commit({ meta: { a: 'b' } })
      await database.close()
    }
    // And killed for real, at moments spread over the opening.
    for (let round = 0; round < 8; round++) {
      for (const suffix of ['', '-wal', '-shm', '.lock', '.lock-journal'])
        await rm(file + suffix, { force: true })
      const child = start('open')
      await child.next((line) => line === 'started')
      await new Promise((resolve) => setTimeout(resolve, round * 6))
      await child.kill()
      await (await open()).close()
    }
  })

  it('[STO36] [C1] killed in the midst of commits: each is there whole or not at all, and none that resolved is missing', async () => {
    let resolved = 0
    for (let round = 0; round < 4; round++) {
      const child = start('commit')
      const first = resolved + 1
      await child.next((line) => Number(line) >= first + round * 15)
      await child.kill()
      resolved = Math.max(...child.lines.map(Number).filter(Number.isFinite))
      const { database, close } = await openNodeDatabase({ file })
      const store = watermelonStore(database)
      const updates = await store.loadUpdates('a')
      const count = updates.length
      expect(count).toBeGreaterThanOrEqual(resolved)
      expect(updates.map(({ seq }) => seq)).toEqual(Array.from({ length: count }, (_, index) => index + 1))
      expect(await store.loadOutbox()).toHaveLength(count)
      expect(await store.loadRows('messages')).toHaveLength(count)
      expect(await store.loadMeta()).toEqual({ count: String(count) })
      expect(await store.lastSeq()).toBe(count)
      await close()
      resolved = count
    }
    expect(existsSync(`${file}-wal`)).toBe(false)
  })

  it('[STO37] an older version is migrated; without a migration it is refused and stays', async () => {
    const first = await open()
    await watermelonStore(first.database).commit({ meta: { kept: 'yes' } })
    await first.close()
    const notes = tableSchema({ name: 'notes', columns: [{ name: 'text', type: 'string' }] })
    const schema = appSchema({ version: ONYX_SCHEMA_VERSION + 1, tables: [...onyxTables, notes] })
    const step = require('@nozbe/watermelondb/Schema/migrations').createTable({
      name: 'notes',
      columns: [{ name: 'text', type: 'string' }],
    })
    const far = schemaMigrations({
      migrations: [
        { toVersion: ONYX_SCHEMA_VERSION + 2, steps: [addColumns({ table: 'notes', columns: [] })] },
      ],
    })
    await expect(
      openNodeDatabase({ file, schema: { ...schema, version: ONYX_SCHEMA_VERSION + 2 }, migrations: far }),
    ).rejects.toMatchObject({ code: 'DATABASE_UNREADABLE' })
    const migrations = schemaMigrations({
      migrations: [{ toVersion: ONYX_SCHEMA_VERSION + 1, steps: [step] }],
    })
    const second = await openNodeDatabase({ file, schema, migrations, modelClasses: onyxModels })
    opened.push(second)
    expect(await watermelonStore(second.database).loadMeta()).toEqual({ kept: 'yes' })
    expect(connectionOf(second).prepare('select count(*) from notes').pluck().get()).toBe(0)
    await second.close()
    await expect(openNodeDatabase({ file })).rejects.toMatchObject({ code: 'DATABASE_NEWER' })
  })

  it('[STO38] unsafeResetDatabase empties the file in place, under the same lock and settings', async () => {
    const device = await open()
    const store = watermelonStore(device.database)
    await store.commit({ updates: [{ seq: 5, address: 'a', update: new Uint8Array(3) }], meta: { a: 'b' } })
    await device.database.write(() => device.database.unsafeResetDatabase())
    expect(await store.loadMeta()).toEqual({})
    expect(await store.lastSeq()).toBe(0)
    await store.commit({ meta: { a: 'c' } })
    expect(connectionOf(device).pragma('synchronous', { simple: true })).toBe(2)
    await expect(openNodeDatabase({ file })).rejects.toMatchObject({ code: 'DATABASE_LOCKED' })
    await device.close()
    expect(await watermelonStore((await open()).database).loadMeta()).toEqual({ a: 'c' })
  })
})

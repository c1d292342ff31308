/** Hocuspocus as a process: `node hocuspocus-server.mjs <port> [directory]`; with a directory it keeps documents. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { Database } from '@hocuspocus/extension-database'
import { Server } from '@hocuspocus/server'

const [port, directory] = process.argv.slice(2)

/** What its SQLite extension does, over Node's SQLite, so that nothing has to be compiled. */
function sqliteExtension(path) {
  mkdirSync(path, { recursive: true })
  const database = new DatabaseSync(join(path, 'documents.db'))
  database.exec(
    'create table if not exists documents (name text not null primary key, data blob not null) strict',
  )
  const select = database.prepare('select data from documents where name = ?')
  const upsert = database.prepare(
    'insert into documents (name, data) values (?, ?) on conflict (name) do update set data = excluded.data',
  )
  return new Database({
    fetch: async ({ documentName }) => select.get(documentName)?.data ?? null,
    store: async ({ documentName, state }) => void upsert.run(documentName, state),
  })
}

const server = new Server({
  address: '127.0.0.1',
  port: Number(port),
  quiet: true,
  extensions: directory === undefined ? [] : [sqliteExtension(directory)],
})
await server.listen()
process.stdout.write(`listening on ws://127.0.0.1:${server.address.port}\n`)

import { join } from 'node:path'
import { Level } from 'level'

/** The database of a server that isn't running, as LevelDB has it. */
export type RawDatabase = Level<Uint8Array, Uint8Array>

/** Does something to the database in a data directory, behind the back of everything else. */
export async function tamper<T>(data: string, body: (db: RawDatabase) => Promise<T>): Promise<T> {
  const db: RawDatabase = new Level(join(data, 'log'), { keyEncoding: 'view', valueEncoding: 'view' })
  try {
    await db.open()
    return await body(db)
  } finally {
    await db.close()
  }
}

/** Everything whose key begins with a letter, as hex. */
export async function entriesUnder(db: RawDatabase, letter: string): Promise<Map<string, string>> {
  const code = letter.charCodeAt(0)
  const range = { gte: Uint8Array.of(code), lt: Uint8Array.of(code + 1) }
  const found = new Map<string, string>()
  for (const [key, value] of await db.iterator(range).all()) {
    found.set(Buffer.from(key).toString('hex'), Buffer.from(value).toString('hex'))
  }
  return found
}

/** Replaces a value by what is made of it. */
export async function rewrite(
  db: RawDatabase,
  key: Uint8Array,
  edit: (value: Uint8Array) => Uint8Array,
): Promise<void> {
  const value = await db.get(key)
  if (value === undefined) throw new Error('there is no such entry')
  await db.put(key, edit(value))
}

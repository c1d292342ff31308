import type { Database, PreparedStatement, Sqlite3Static } from '@sqlite.org/sqlite-wasm'
import { createBinder } from './binder.js'
import type { FileState, WireRows } from './protocol.js'

/** Statements kept prepared. Queries carry their values in the SQL, so there is no end of different ones. */
const MAX_PREPARED = 128
/** Pages kept in memory: reading one from OPFS is a call out of SQLite. */
const CACHE_KIB = 8_192
/** What the write-ahead log is cut back to after something big. */
const MAX_LOG_BYTES = 4_194_304

/** A SQLite connection that nobody else shares. */
export interface Connection {
  readState(): FileState
  /** Makes every commit reach the disk before it is answered. */
  makeDurable(): void
  /** Runs one statement. */
  run(sql: string, values: readonly unknown[]): void
  /** Runs any number of statements. */
  runAll(sql: string): void
  all(sql: string, values: readonly unknown[]): WireRows
  /** All of the work, or nothing of it. */
  inTransaction(work: () => void): void
  close(): void
}

/** A connection on an open database, the only one on its file. */
export function createConnection(sqlite3: Sqlite3Static, database: Database): Connection {
  const { capi, wasm } = sqlite3
  const binder = createBinder(sqlite3, database)
  const prepared = new Map<string, PreparedStatement>()
  // A mark at the beginning of a text belongs to it.
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true })

  // The files can't be shared, and the log needs no memory shared with others. The first statement of all: only so does
  // SQLite open a database with a log here.
  database.exec('pragma locking_mode = exclusive; pragma temp_store = memory;')
  database.exec(`pragma cache_size = -${CACHE_KIB}`)

  function prepare(sql: string): PreparedStatement {
    const known = prepared.get(sql)
    if (known !== undefined) return known
    const statement = database.prepare(sql)
    if (prepared.size >= MAX_PREPARED) forget()
    prepared.set(sql, statement)
    return statement
  }

  function forget(): void {
    for (const statement of prepared.values()) statement.finalize()
    prepared.clear()
  }

  /** Hands the statement to `use`, and takes it back whatever happens: one that isn't reset keeps a transaction open. */
  function withStatement<T>(
    sql: string,
    values: readonly unknown[],
    use: (statement: PreparedStatement) => T,
  ): T {
    const statement = prepare(sql)
    try {
      binder.bind(statement, values)
      return use(statement)
    } finally {
      statement.reset(true)
    }
  }

  function readColumn(statement: PreparedStatement, index: number): unknown {
    const pointer = statement.pointer as number
    switch (capi.sqlite3_column_type(pointer, index)) {
      case capi.SQLITE_NULL:
        return null
      case capi.SQLITE_TEXT: {
        // As bytes: taken for a C string it would end with the first NUL.
        const start = capi.sqlite3_column_blob(pointer, index)
        return decoder.decode(
          wasm.heap8u().subarray(start, start + capi.sqlite3_column_bytes(pointer, index)),
        )
      }
      case capi.SQLITE_BLOB:
        return statement.getBlob(index)
      default:
        return capi.sqlite3_column_double(pointer, index)
    }
  }

  const connection: Connection = {
    readState() {
      const { rows: versions } = connection.all('pragma user_version', [])
      const { rows } = connection.all(`select name from sqlite_master where type = 'table'`, [])
      return { version: Number(versions[0]?.[0]), tables: rows.map((row) => String(row[0])) }
    },
    makeDurable() {
      const { rows } = connection.all('pragma journal_mode = wal', [])
      const mode = rows[0]?.[0]
      if (mode !== 'wal') throw new Error(`there is no write-ahead log (got "${mode}")`)
      database.exec(`pragma synchronous = full; pragma journal_size_limit = ${MAX_LOG_BYTES}`)
    },
    run(sql, values) {
      withStatement(sql, values, (statement) => {
        while (statement.step()) {
          // A statement has done all its work when it has given all its rows.
        }
      })
    },
    runAll(sql) {
      database.exec(sql)
    },
    all(sql, values) {
      return withStatement(sql, values, (statement) => {
        const rows: unknown[][] = []
        const columns = statement.getColumnNames()
        while (statement.step()) rows.push(columns.map((_, index) => readColumn(statement, index)))
        return { columns, rows }
      })
    },
    inTransaction(work) {
      connection.run('begin immediate', [])
      try {
        work()
        connection.run('commit', [])
      } catch (error) {
        // After some errors SQLite has done it already.
        if (capi.sqlite3_get_autocommit(database.pointer as number) === 0) connection.run('rollback', [])
        throw error
      }
    },
    close() {
      forget()
      // As the last connection it also moves the log into the file.
      database.close()
      binder.close()
    },
  }
  return connection
}

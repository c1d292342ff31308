import type { Connection } from './connection.js'
import type { WireRow, WireRows, WorkerMethods } from './protocol.js'

/** What WatermelonDB asks of a database while it is open. */
export type Driver = Omit<WorkerMethods, 'open' | 'setUp' | 'close'>

/**
 * Does what WatermelonDB's native drivers do: a record that the page has is answered by its id, and which ones it has is
 * known from what it was given, what it made and what it deleted.
 */
export function createDriver(connection: Connection): Driver {
  const idsByTable = new Map<string, Set<string>>()

  function cachedIds(table: string): Set<string> {
    const ids = idsByTable.get(table)
    if (ids !== undefined) return ids
    const made = new Set<string>()
    idsByTable.set(table, made)
    return made
  }

  /** Rows as they are for the page; those it hasn't had are its from here on. */
  function handOut(table: string, found: WireRows): WireRows {
    const ids = cachedIds(table)
    const at = found.columns.indexOf('id')
    const rows = found.rows.map((row): WireRow => {
      const id = String(row[at])
      if (ids.has(id)) return id
      ids.add(id)
      return row
    })
    return { columns: found.columns, rows }
  }

  return {
    find(table, id) {
      if (cachedIds(table).has(id)) return { columns: [], rows: [id] }
      return handOut(table, connection.all(`select * from "${table}" where "id" == ? limit 1`, [id]))
    },
    query: (table, sql, values) => handOut(table, connection.all(sql, values)),
    queryIds(sql, values) {
      const { columns, rows } = connection.all(sql, values)
      const at = columns.indexOf('id')
      return rows.map((row) => String(row[at]))
    },
    unsafeQueryRaw: (sql, values) => connection.all(sql, values),
    count(sql, values) {
      const { columns, rows } = connection.all(sql, values)
      return Number(rows[0]?.[columns.indexOf('count')])
    },
    batch(operations) {
      connection.inTransaction(() => {
        for (const [, , sql, lists] of operations) for (const values of lists) connection.run(sql, values)
      })
      // Only now: what was rolled back hasn't been made or deleted.
      for (const [behavior, table, , lists] of operations) {
        if (behavior === 0 || table === null) continue
        const ids = cachedIds(table)
        for (const [id] of lists) behavior === 1 ? ids.add(String(id)) : ids.delete(String(id))
      }
    },
    unsafeExecuteMultiple: (sql) => connection.runAll(sql),
    unsafeResetDatabase(sql, version) {
      // In place, since the page's lock hangs on these files; and at once, so that a crash leaves the old or the new.
      connection.inTransaction(() => {
        const select = `select name from sqlite_master where type = 'table' and name not like 'sqlite_%'`
        const dropAll = (condition: string) => {
          for (const [name] of connection.all(select + condition, []).rows) {
            connection.runAll(`drop table "${name}"`)
          }
        }
        // The tables that a virtual one is made of go with it, and not otherwise.
        dropAll(` and sql like 'create virtual table%'`)
        dropAll('')
        connection.runAll(`${sql}; pragma user_version = ${version}`)
      })
      idsByTable.clear()
    },
    getLocal(key) {
      const { rows } = connection.all('select "value" from "local_storage" where "key" = ?', [key])
      const [row] = rows
      return row === undefined ? null : String(row[0])
    },
  }
}

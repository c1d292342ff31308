import type { Database, PreparedStatement, Sqlite3Static, SqlValue } from '@sqlite.org/sqlite-wasm'

/** Texts of up to this many bytes go through a buffer that is kept. */
const BUFFER_BYTES = 65_536
/** A UTF-16 code unit takes at most so many bytes of UTF-8. */
const MAX_BYTES_PER_UNIT = 3
/** What tells SQLite to copy a text before the call returns: `SQLITE_TRANSIENT`. */
const COPIED = -1

/** Gives values to statements. */
export interface Binder {
  /** Binds the values in their order. Throws what SQLite says, such as that it has no memory. */
  bind(statement: PreparedStatement, values: readonly unknown[]): void
  close(): void
}

/** Part of SQLite's C interface, as the module exports it. */
interface Exports {
  sqlite3_bind_text(statement: number, index: number, text: number, bytes: number, destructor: number): number
}

/**
 * The library's own `bind` encodes each text into an array of its own and copies that into memory of its own. A message has
 * a dozen texts, most of them short, and that was a third of what writing ten thousand took.
 */
export function createBinder({ wasm }: Sqlite3Static, database: Database): Binder {
  const { sqlite3_bind_text } = wasm.exports as Exports
  const encoder = new TextEncoder()
  const buffer = Number(wasm.alloc(BUFFER_BYTES))
  let memory: ArrayBufferLike | undefined
  let view: Uint8Array = new Uint8Array(0)

  /** The buffer's bytes: when the module's memory has grown, it is another one. */
  function bytes(): Uint8Array {
    const heap = wasm.heap8u()
    if (heap.buffer !== memory) {
      memory = heap.buffer
      view = heap.subarray(buffer, buffer + BUFFER_BYTES)
    }
    return view
  }

  function bindText(statement: PreparedStatement, index: number, text: string): void {
    const { written } = encoder.encodeInto(text, bytes())
    const code = sqlite3_bind_text(Number(statement.pointer), index, buffer, written, COPIED)
    if (code !== 0) database.checkRc(code)
  }

  return {
    bind(statement, values) {
      for (const [index, value] of values.entries()) {
        if (typeof value === 'string' && value.length * MAX_BYTES_PER_UNIT <= BUFFER_BYTES)
          bindText(statement, index + 1, value)
        else statement.bind(index + 1, toSqlite(value))
      }
    },
    close() {
      wasm.dealloc(buffer)
    },
  }
}

/** SQLite has no booleans, and `undefined` isn't bound at all. */
function toSqlite(value: unknown): SqlValue {
  if (typeof value === 'boolean') return value ? 1 : 0
  return (value ?? null) as SqlValue
}

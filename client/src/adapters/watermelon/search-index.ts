import type { Database } from '@nozbe/watermelondb'
import type { SearchTerm } from '../plain-search.js'
import { runSql, type SqlOperation } from './unsafe.js'

/**
 * Full-text index over messages (FTS5), kept by triggers, so that it changes in the transaction of the row. Made when
 * somebody searches for the first time: who never does pays nothing. Rows are replaced by `insert or replace`, for
 * which SQLite fires no delete triggers; hence the one before the insertion. What is being streamed changes with every
 * token, and is left out until it is there.
 */
const STATEMENTS = [
  `create virtual table if not exists "messages_fts" using fts5(content, tokenize = "unicode61 remove_diacritics 2")`,
  `create trigger if not exists "messages_fts_replaced" before insert on "messages" begin
    delete from "messages_fts" where rowid = (select rowid from "messages" where "id" = new."id"); end`,
  `create trigger if not exists "messages_fts_inserted" after insert on "messages" when new."status" <> 'streaming' begin
    insert into "messages_fts"(rowid, content) values (new.rowid, new."content"); end`,
  `create trigger if not exists "messages_fts_deleted" after delete on "messages" begin
    delete from "messages_fts" where rowid = old.rowid; end`,
  `insert into "messages_fts"(rowid, content) select rowid, "content" from "messages" where "status" <> 'streaming'`,
]

/** Makes the index. Rejects where SQLite was built without FTS5; then nothing has changed. */
export async function createSearchIndex(database: Database): Promise<void> {
  const operations = STATEMENTS.map((sql): SqlOperation => [0, null, sql, [[]]])
  await runSql(database, operations, () => {})
}

/** SQL that finds candidates, newest first; the caller looks at each, and asks for more where it needs to. */
export function searchSql(
  terms: readonly SearchTerm[],
  address: string | undefined,
  page: { readonly limit: number; readonly offset: number },
): { readonly sql: string; readonly values: (string | number)[] } {
  // The index knows words. What may stand anywhere, and what is being streamed, has to be looked through.
  const words = terms.filter(({ isPart }) => !isPart).map(({ text }) => `"${text}"*`)
  const values: (string | number)[] = []
  const where: string[] = []
  if (words.length > 0) {
    where.push(
      `(m."status" = 'streaming' or m.rowid in (select rowid from "messages_fts" where "messages_fts" match ?))`,
    )
    values.push(words.join(' AND '))
  }
  if (address !== undefined) {
    where.push('m."address" = ?')
    values.push(address)
  }
  values.push(page.limit, page.offset)
  const clause = where.length === 0 ? '' : ` where ${where.join(' and ')}`
  const sql = `select m.* from "messages" m${clause} order by m."created_at" desc, m."id" limit ? offset ?`
  return { sql, values }
}

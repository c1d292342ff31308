import type { QueryRow, QueryTable, RowSearch } from '../ports/store.js'

/** Tables that can be searched: the column with the text, and the one whose highest value comes first. */
export const SEARCH_COLUMNS: Readonly<
  Partial<Record<QueryTable, { readonly text: string; readonly order: string }>>
> = {
  chats: { text: 'title', order: 'last_activity_at' },
  messages: { text: 'content', order: 'created_at' },
}

/** A word of a query. */
export interface SearchTerm {
  /** Folded: lower case, without accents. */
  readonly text: string
  /** It may stand anywhere, not only at the beginning of a word: there are no words in its script, or it is none. */
  readonly isPart: boolean
}

/** Thai, Lao, Burmese, Khmer, kana and Han: scripts that put no spaces between words. */
const NO_SPACES = /[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]/
const WORD = /[\p{L}\p{N}]+/gu
const WORD_CHARACTER = /[\p{L}\p{N}]/u

/** Lower case, without accents: what texts are compared by. */
function fold(text: string): string {
  return text
    .normalize('NFD')
    .replace(/\p{M}+/gu, '')
    .toLowerCase()
}

/** The words of a query, each once; none where there is nothing to look for. */
export function toSearchTerms(query: string): SearchTerm[] {
  const folded = fold(query)
  const words = [...new Set(folded.match(WORD) ?? [])]
  if (words.length > 0) return words.map((text) => ({ text, isPart: NO_SPACES.test(text) }))
  const symbols = folded.trim()
  return symbols === '' ? [] : [{ text: symbols, isPart: true }]
}

/** Whether a text holds all terms. */
export function hasTerms(text: string, terms: readonly SearchTerm[]): boolean {
  const folded = fold(text)
  return terms.every(({ text: term, isPart }) => (isPart ? folded.includes(term) : hasWord(folded, term)))
}

function hasWord(folded: string, beginning: string): boolean {
  for (let at = folded.indexOf(beginning); at >= 0; at = folded.indexOf(beginning, at + 1)) {
    if (at === 0 || !WORD_CHARACTER.test(characterBefore(folded, at))) return true
  }
  return false
}

function characterBefore(text: string, index: number): string {
  const unit = text.charCodeAt(index - 1)
  const isLow = unit >= 0xdc00 && unit <= 0xdfff
  return text.slice(index - (isLow && index > 1 ? 2 : 1), index)
}

/** Whether a row may be found at all. */
export function isSearched(row: QueryRow, { address, exclude }: RowSearch): boolean {
  return (address === undefined || row.address === address) && exclude?.has(String(row.address)) !== true
}

/** Looks through all rows: what adapters without an index do. */
export function searchPlainly(
  table: 'chats' | 'messages',
  rows: Iterable<QueryRow>,
  query: string,
  options: RowSearch,
): QueryRow[] {
  const terms = toSearchTerms(query)
  if (terms.length === 0) return []
  const { text, order } = SEARCH_COLUMNS[table] as { text: string; order: string }
  const found: QueryRow[] = []
  for (const row of rows) if (isSearched(row, options) && hasTerms(String(row[text]), terms)) found.push(row)
  return found.sort((a, b) => byNewest(a, b, order)).slice(0, options.limit)
}

/** The highest value first; equal ones by id, so that every adapter gives the same order. */
export function byNewest(a: QueryRow, b: QueryRow, column: string): number {
  return Number(b[column]) - Number(a[column]) || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0)
}

import { createPlainMode, type PlainMode, type PlainModeOptions } from './core/plain.js'
import { rebuildRows } from './core/rebuild.js'
import { type RollBack, rollBack } from './core/roll-back.js'
import { type ChatHistory, createHistory, type HistoryParts } from './model/history.js'
import { type CreateImporter, createImporter } from './model/import/import-chats.js'

/** What is rarely needed, and a good deal of code. */
export interface RareCode {
  /** Where something forged was taken for right. */
  readonly rollBack: RollBack
  /** Where another version of this package made the query rows. */
  readonly rebuildRows: typeof rebuildRows
  /** Where a relay turns out to be a plain one. */
  createPlainMode(options: PlainModeOptions): Promise<PlainMode>
  /** When somebody looks at a chat's history. */
  createHistory(parts: HistoryParts): Promise<ChatHistory>
  /** When somebody brings chats in. */
  readonly createImporter: CreateImporter
}

/** It is at hand. */
export const rareCode: RareCode = {
  rollBack,
  rebuildRows,
  createPlainMode: async (options) => createPlainMode(options),
  createHistory: async (parts) => createHistory(parts),
  createImporter,
}

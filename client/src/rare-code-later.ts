import type { RareCode } from './rare-code.js'

/** For pages of browsers: each is loaded once it is needed. */
export const laterRareCode: RareCode = {
  rollBack: async (...args) => (await import('./core/roll-back.js')).rollBack(...args),
  rebuildRows: async (parts) => (await import('./core/rebuild.js')).rebuildRows(parts),
  createPlainMode: async (options) => (await import('./core/plain.js')).createPlainMode(options),
  createHistory: async (parts) => (await import('./model/history.js')).createHistory(parts),
  createImporter: (parts) => async (chats) =>
    (await import('./model/import/import-chats.js')).createImporter(parts)(chats),
}

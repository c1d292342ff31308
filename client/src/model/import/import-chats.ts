import { sha256 } from '@noble/hashes/sha2.js'
import { applyUpdate, chatAddress, formatAddress, SyncError } from '@onyx-sync/shared'
import * as Y from 'yjs'
import type { ModelDocuments } from '../../core/model-documents.js'
import { appendMessage, setMetadata } from '../chat-edits.js'
import type { LocalState } from '../local-state.js'
import { readMessages } from '../message.js'
import type { ImportedChat, ImportedMessage } from './imported-chat.js'

/** What an import did. */
export interface ImportReport {
  /** Chats that were not there before. */
  readonly newChats: number
  readonly newMessages: number
  /** Messages that were there already, or have been deleted since they were imported. */
  readonly knownMessages: number
  /** What could not be imported, in words for people. */
  readonly problems: readonly string[]
}

export interface ImporterParts {
  readonly pubkey: string
  readonly documents: ModelDocuments
  readonly local: LocalState
}

export type CreateImporter = (
  parts: ImporterParts,
) => (chats: readonly ImportedChat[]) => Promise<ImportReport>

/**
 * Where an imported chat stands in its source: the time of the newest message that was imported. What is older was
 * imported once, and if it isn't there it was deleted.
 */
const IMPORTED_THROUGH = 'importedThrough'

/**
 * Puts chats from elsewhere into the account's. By ids: twice is the same as once, also on two devices that are offline.
 * A chat is one edit. Resolves when all of it is durable. Rejects with `STORE_FAILED`; what was imported stays then, and
 * the same import goes on from there.
 */
export const createImporter: CreateImporter = ({ pubkey, documents, local }) => {
  return async (chats) => {
    const report = { newChats: 0, newMessages: 0, knownMessages: 0, problems: [] as string[] }
    for (const chat of chats) {
      try {
        await importChat(chat, report)
      } catch (error) {
        if (!(error instanceof SyncError) || error.code === 'STORE_FAILED') throw error
        report.problems.push(`the chat ${JSON.stringify(chat.id)}: ${error.message}`)
      }
    }
    return report
  }

  async function importChat(
    chat: ImportedChat,
    report: { newChats: number; newMessages: number; knownMessages: number },
  ): Promise<void> {
    const address = formatAddress(chatAddress(pubkey, chat.id))
    const isNew = documents.info(address) === undefined
    // Checked, and made, apart: what is wrong with it must not leave a half of it.
    const whole = buildChat(chat)
    const added = await documents.edit(address, (doc) => {
      const messages = doc.getArray('messages')
      const before = messages.length
      if (isNew && before === 0) {
        applyUpdate(doc, whole)
        local.setReadCount(address, messages.length)
        return messages.length
      }
      addMissing(doc, chat)
      return messages.length - before
    })
    if (isNew) report.newChats++
    report.newMessages += added
    report.knownMessages += Math.max(0, chat.messages.length - added)
  }
}

/** The chat as messages from elsewhere, appended where the account has it already. */
function addMissing(doc: Y.Doc, chat: ImportedChat): void {
  const known = readMessages(doc.getArray('messages'))
  const through = Number(doc.getMap('metadata').get(IMPORTED_THROUGH) ?? Number.NEGATIVE_INFINITY)
  const missing = chat.messages.filter(({ id, createdAt }) => !known.has(id) && createdAt > through)
  if (missing.length === 0) return
  for (const message of missing) append(doc, message)
  setMetadata(doc, { [IMPORTED_THROUGH]: Math.max(through, newestOf(chat)) })
}

/**
 * A whole chat as one update. The same chat gives the same update, down to the client id it is written under, so that
 * two devices that import it offline have one copy between them, and not two of which one is hidden (trap Y8). Any
 * difference gives another client id: two contents under one would never be merged (trap Y5).
 */
function buildChat(chat: ImportedChat): Uint8Array {
  const doc = new Y.Doc()
  doc.clientID = clientIdOf(chat)
  doc.transact(() => {
    setMetadata(doc, {
      createdAt: chat.createdAt ?? chat.messages[0]?.createdAt ?? 0,
      schemaVersion: 1,
      title: chat.title ?? '',
      titleSource: chat.titleSource ?? 'auto',
      model: chat.model,
      archived: chat.archived,
      [IMPORTED_THROUGH]: newestOf(chat),
    })
    for (const message of chat.messages) append(doc, message)
  })
  return Y.encodeStateAsUpdate(doc)
}

function append(doc: Y.Doc, message: ImportedMessage): void {
  const map = appendMessage(doc, { ...message, device: '' }, false)
  if (message.editedAt !== undefined) map.set('editedAt', message.editedAt)
}

function newestOf(chat: ImportedChat): number {
  return chat.messages.reduce((newest, { createdAt }) => Math.max(newest, createdAt), 0)
}

/** From 32 bits of a hash over everything in the chat; above the small numbers that tests and broken sources use. */
function clientIdOf(chat: ImportedChat): number {
  const hash = sha256(new TextEncoder().encode(JSON.stringify(chat)))
  return (new DataView(hash.buffer, hash.byteOffset).getUint32(0) | 0x8000_0000) >>> 0
}

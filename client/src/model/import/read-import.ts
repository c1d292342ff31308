import { SyncError } from '@onyx-sync/shared'
import type { JsonValue } from '../json.js'
import type { Message } from '../message.js'
import type { ToolCallInput } from '../tool-call.js'
import type { ImportedChat, ImportedData, ImportedMessage } from './imported-chat.js'
import { isChatGptExport, readChatGptExport } from './read-chatgpt.js'
import { isClaudeExport, readClaudeExport } from './read-claude.js'
import { asList, asRecord, asText, asTime, without } from './read-json.js'
import { readOnyxExport } from './read-onyx.js'

/** What marks a file that `exportToJson` made. */
export const EXPORT_FORMAT = 'onyx-sync'

/**
 * Reads the text of an export: of onyx-sync, ChatGPT or Claude (`conversations.json`), or Onyx on the web. Throws
 * `IMPORT_INVALID` for what is none of these.
 */
export function readImport(text: string): ImportedData {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch (cause) {
    throw new SyncError('IMPORT_INVALID', `this is no JSON: ${(cause as Error).message}`, { cause })
  }
  if (asRecord(json)?.format === EXPORT_FORMAT) return readOwnExport(json)
  if (isChatGptExport(json)) return readChatGptExport(json)
  if (isClaudeExport(json)) return readClaudeExport(json)
  if (looksLikeOnyx(json)) return readOnyxExport(json)
  throw new SyncError(
    'IMPORT_INVALID',
    'this is no export of onyx-sync, Onyx, ChatGPT or Claude: of the last two it is conversations.json that is read',
  )
}

function looksLikeOnyx(json: unknown): boolean {
  const inside = asRecord(json)?.chats ?? json
  const chats: unknown[] = Array.isArray(inside) ? inside : Object.values(asRecord(inside) ?? {})
  const hasMessages = (chat: unknown) => {
    const messages = asRecord(chat)?.messages ?? chat
    return Array.isArray(messages) || (typeof messages === 'string' && messages.trimStart().startsWith('['))
  }
  return chats.length > 0 && chats.every(hasMessages)
}

/** What {@link exportToJson} wrote. */
function readOwnExport(json: unknown): ImportedData {
  const problems: string[] = []
  const chats: ImportedChat[] = []
  for (const [index, item] of asList(asRecord(json)?.chats).entries()) {
    const record = asRecord(item) ?? {}
    const id = asText(record.id)
    if (id === undefined) {
      problems.push(`chat ${index} has no id`)
      continue
    }
    const title = asText(record.title)
    const model = asText(record.model)
    chats.push({
      id,
      createdAt: asTime(record.createdAt) ?? 0,
      ...(title === undefined ? {} : { title, titleSource: record.titleSource === 'user' ? 'user' : 'auto' }),
      ...(model === undefined ? {} : { model }),
      ...(record.archived === true ? { archived: true } : {}),
      messages: asList(record.messages).flatMap((message) => readOwnMessage(message)),
    })
  }
  return { source: 'onyx-sync', chats, problems }
}

function readOwnMessage(value: JsonValue): ImportedMessage[] {
  const record = asRecord(value)
  if (record === undefined || asText(record.id) === undefined) return []
  const { id, role, content, createdAt, editedAt, status, reasoning, tools, finishReason, usage } =
    record as unknown as Message
  const known = ['id', 'role', 'content', 'createdAt', 'editedAt', 'status', 'reasoning', 'tools', 'device']
  return [
    {
      id,
      role,
      content: String(content ?? ''),
      createdAt: asTime(createdAt) ?? 0,
      // A message that was being written elsewhere is not written any more.
      status: status === 'streaming' ? 'aborted' : (status ?? 'complete'),
      ...(typeof editedAt === 'number' ? { editedAt } : {}),
      ...(reasoning === undefined ? {} : { reasoning }),
      ...(tools === undefined ? {} : { tools: tools as readonly ToolCallInput[] }),
      ...(finishReason === undefined ? {} : { finishReason }),
      ...(usage === undefined ? {} : { usage: usage as JsonValue }),
      fields: without(record, [...known, 'finishReason', 'usage']),
    },
  ]
}

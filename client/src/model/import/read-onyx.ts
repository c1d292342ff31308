import { sha256 } from '@noble/hashes/sha2.js'
import { bytesToHex, SyncError } from '@onyx-sync/shared'
import type { JsonValue } from '../json.js'
import type { MessageRole, MessageStatus } from '../message.js'
import type { ToolCallInput, ToolCallState, ToolCallStatus } from '../tool-call.js'
import type { ImportReport } from './import-chats.js'
import type { ImportedChat, ImportedData, ImportedMessage } from './imported-chat.js'
import { asList, asRecord, asText, asTime, firstOf, type JsonRecord, without } from './read-json.js'

/** A row of the table `chats` in Onyx's `onyx.db`: `messages` is a JSON array. */
export interface OnyxRow {
  readonly id: string
  readonly messages: string
}

/** Onyx's database, as `expo-sqlite` opens it. Only read. */
export interface OnyxDatabase {
  getAllAsync(sql: string): Promise<unknown[]>
}

/** What `importOnyx` needs of a client. */
export interface ImportTarget {
  import(chats: readonly ImportedChat[]): Promise<ImportReport>
}

/**
 * Brings the chats of Onyx's own database (`onyx.db`) into an account. Twice is the same as once. Every install has a
 * chat `default`; those of two devices stay apart. Rejects with `IMPORT_INVALID` where there is no table `chats`.
 */
export async function importOnyx(client: ImportTarget, database: OnyxDatabase): Promise<ImportReport> {
  let rows: unknown[]
  try {
    rows = await database.getAllAsync('SELECT id, messages FROM chats')
  } catch (cause) {
    throw new SyncError('IMPORT_INVALID', `this is no database of Onyx: ${(cause as Error).message}`, {
      cause,
    })
  }
  const { chats, problems } = readOnyxRows(rows as OnyxRow[])
  const report = await client.import(chats)
  return { ...report, problems: [...problems, ...report.problems] }
}

const ROLES: Readonly<Record<string, MessageRole>> = {
  system: 'system',
  user: 'user',
  assistant: 'assistant',
  tool: 'tool',
  function: 'tool',
}

/** Chats as Onyx keeps them. A row that can't be read is named in `problems`, and the others are there. */
export function readOnyxRows(rows: readonly OnyxRow[]): ImportedData {
  const problems: string[] = []
  const chats: ImportedChat[] = []
  for (const { id, messages } of rows) {
    try {
      const chat = readChat(String(id), JSON.parse(messages), problems)
      if (chat !== undefined) chats.push(chat)
    } catch {
      problems.push(`the messages of the chat ${JSON.stringify(id)} are no JSON`)
    }
  }
  return { source: 'onyx', chats, problems }
}

/** Onyx's export from the web: a list of chats, or an object of them by id or under `chats`. */
export function readOnyxExport(json: unknown): ImportedData {
  const root = asRecord(json)
  const inside = root?.chats ?? json
  const rows = Array.isArray(inside)
    ? (inside as JsonValue[]).map((chat) => ({ id: asRecord(chat)?.id, messages: asRecord(chat)?.messages }))
    : Object.entries(asRecord(inside) ?? {}).map(([id, value]) => ({
        id: asRecord(value)?.id ?? id,
        messages: asRecord(value)?.messages ?? value,
      }))
  return readOnyxRows(
    rows.map(({ id, messages }) => ({
      id: String(id ?? ''),
      messages: typeof messages === 'string' ? messages : (JSON.stringify(messages) ?? ''),
    })),
  )
}

function readChat(id: string, json: unknown, problems: string[]): ImportedChat | undefined {
  if (!Array.isArray(json)) {
    problems.push(`the messages of the chat ${JSON.stringify(id)} are no list`)
    return undefined
  }
  const createdAt = asTime(Number(/^chat_(\d+)$/.exec(id)?.[1]))
  const messages: ImportedMessage[] = []
  for (const [index, item] of json.entries()) {
    const record = asRecord(item)
    if (record === undefined) problems.push(`message ${index} of the chat ${JSON.stringify(id)} is no object`)
    else messages.push(readMessage(record, `${id}/${index}`, createdAt ?? 0))
  }
  const [first] = messages
  // An empty chat is what every install begins with.
  if (first === undefined) return undefined
  return {
    id: isOwnId(id) ? id : `${id}_${fingerprint(`${first.id} ${first.createdAt}`)}`,
    createdAt: createdAt ?? first.createdAt,
    messages,
  }
}

/** `default` is in every install: what is in it tells two of them apart, also in a second import. */
function isOwnId(id: string): boolean {
  return /^chat_\d+$/.test(id)
}

function readMessage(record: JsonRecord, place: string, chatCreatedAt: number): ImportedMessage {
  const metadata = asRecord(record.metadata) ?? {}
  const content = record.content
  const calls = asList(firstOf(metadata, 'toolInvocations') ?? record.toolInvocations)
  const finishReason = asText(metadata.finishReason)
  const known = ['id', 'role', 'content', 'createdAt', 'metadata', 'toolInvocations', 'status']
  const knownMetadata = ['toolInvocations', 'finishReason', 'usage']
  return {
    id: asText(record.id) ?? `onyx_${fingerprint(place)}`,
    role: ROLES[String(record.role)] ?? 'user',
    content: typeof content === 'string' ? content : content === undefined ? '' : JSON.stringify(content),
    createdAt: asTime(record.createdAt) ?? chatCreatedAt,
    ...(record.status === 'error' || record.status === 'aborted'
      ? { status: record.status as MessageStatus }
      : {}),
    ...(finishReason === undefined ? {} : { finishReason }),
    ...(metadata.usage === undefined ? {} : { usage: metadata.usage }),
    tools: calls.flatMap((call, index) => readCall(asRecord(call), index)),
    fields: { ...without(record, known), ...without(metadata, knownMetadata) },
  }
}

const STATES: readonly unknown[] = ['partial-call', 'call', 'result']
const STATUSES: readonly unknown[] = ['pending', 'completed', 'failed']

function readCall(record: JsonRecord | undefined, index: number): ToolCallInput[] {
  if (record === undefined) return []
  const args = firstOf(record, 'args', 'input')
  const result = firstOf(record, 'result', 'output')
  const names = [
    'id',
    'toolCallId',
    'toolName',
    'tool_name',
    'args',
    'input',
    'result',
    'output',
    'state',
    'status',
  ]
  return [
    {
      ...without(record, names),
      id: String(firstOf(record, 'toolCallId', 'id') ?? `call_${index}`).slice(0, 128),
      name: String(firstOf(record, 'toolName', 'tool_name') ?? 'unknown'),
      ...(STATES.includes(record.state) ? { state: record.state as ToolCallState } : {}),
      ...(STATUSES.includes(record.status) ? { status: record.status as ToolCallStatus } : {}),
      ...(args === undefined ? {} : { args }),
      ...(result === undefined ? {} : { result }),
    },
  ]
}

function fingerprint(text: string): string {
  return bytesToHex(sha256(new TextEncoder().encode(text))).slice(0, 12)
}

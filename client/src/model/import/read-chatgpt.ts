import type { MessageRole } from '../message.js'
import type { ImportedChat, ImportedData, ImportedMessage } from './imported-chat.js'
import { asList, asRecord, asText, asTime, type JsonRecord } from './read-json.js'

const ROLES: Readonly<Record<string, MessageRole>> = {
  system: 'system',
  user: 'user',
  assistant: 'assistant',
  tool: 'tool',
}

/** Whether it looks like `conversations.json` of a ChatGPT export. */
export function isChatGptExport(json: unknown): boolean {
  return Array.isArray(json) && json.length > 0 && json.every((item) => asRecord(asRecord(item)?.mapping))
}

/**
 * The conversations of a ChatGPT export. Each is a tree of answers that were made anew; the branch that was shown last
 * is taken.
 */
export function readChatGptExport(json: unknown): ImportedData {
  const problems: string[] = []
  const chats: ImportedChat[] = []
  for (const [index, item] of asList(json).entries()) {
    const record = asRecord(item) ?? {}
    const id = asText(record.conversation_id) ?? asText(record.id)
    if (id === undefined) {
      problems.push(`conversation ${index} has no id`)
      continue
    }
    const title = asText(record.title)
    const createdAt = asTime(record.create_time)
    const model = asText(record.default_model_slug)
    chats.push({
      id: `chatgpt_${id}`.slice(0, 128),
      messages: branchOf(record).flatMap((message) => readMessage(message)),
      ...(title === undefined ? {} : { title, titleSource: 'auto' as const }),
      ...(createdAt === undefined ? {} : { createdAt }),
      ...(model === undefined ? {} : { model }),
      ...(record.is_archived === true ? { archived: true } : {}),
    })
  }
  return { source: 'chatgpt', chats, problems }
}

/** Messages from the beginning to the current one, or to the last leaf. */
function branchOf(conversation: JsonRecord): JsonRecord[] {
  const mapping = asRecord(conversation.mapping) ?? {}
  const leaves = Object.keys(mapping).filter((id) => asList(asRecord(mapping[id])?.children).length === 0)
  let id = asText(conversation.current_node) ?? leaves[leaves.length - 1]
  const branch: JsonRecord[] = []
  const seen = new Set<string>()
  while (id !== undefined && !seen.has(id)) {
    seen.add(id)
    const node = asRecord(mapping[id])
    const message = asRecord(node?.message)
    if (message !== undefined) branch.push(message)
    id = asText(node?.parent)
  }
  return branch.reverse()
}

function readMessage(message: JsonRecord): ImportedMessage[] {
  const author = asRecord(message.author) ?? {}
  const metadata = asRecord(message.metadata) ?? {}
  const content = textOf(asRecord(message.content) ?? {})
  const id = asText(message.id)
  // Empty ones hold the tree together, hidden ones are instructions of the program's own.
  if (id === undefined || content === '' || metadata.is_visually_hidden_from_conversation === true) return []
  const model = asText(metadata.model_slug)
  const name = asText(author.name)
  return [
    {
      id,
      role: ROLES[String(author.role)] ?? 'user',
      content,
      createdAt: asTime(message.create_time) ?? 0,
      fields: { ...(model === undefined ? {} : { model }), ...(name === undefined ? {} : { author: name }) },
    },
  ]
}

function textOf(content: JsonRecord): string {
  const parts = asList(content.parts).map((part) => {
    if (typeof part === 'string') return part
    const text = asText(asRecord(part)?.text)
    return text ?? `[${asText(asRecord(part)?.content_type) ?? 'attachment'}]`
  })
  const text = parts.join('\n')
  return text !== '' ? text : (asText(content.text) ?? asText(content.result) ?? '')
}

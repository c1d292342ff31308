import type { ToolCallInput } from '../tool-call.js'
import type { ImportedChat, ImportedData, ImportedMessage } from './imported-chat.js'
import { asList, asRecord, asText, asTime, type JsonRecord } from './read-json.js'

/** Whether it looks like `conversations.json` of a Claude export. */
export function isClaudeExport(json: unknown): boolean {
  return (
    Array.isArray(json) &&
    json.length > 0 &&
    json.every((item) => Array.isArray(asRecord(item)?.chat_messages))
  )
}

/** The conversations of a Claude export. */
export function readClaudeExport(json: unknown): ImportedData {
  const problems: string[] = []
  const chats: ImportedChat[] = []
  for (const [index, item] of asList(json).entries()) {
    const record = asRecord(item) ?? {}
    const id = asText(record.uuid)
    if (id === undefined) {
      problems.push(`conversation ${index} has no uuid`)
      continue
    }
    const title = asText(record.name)
    const createdAt = asTime(record.created_at)
    chats.push({
      id: `claude_${id}`.slice(0, 128),
      messages: asList(record.chat_messages).flatMap((message) => readMessage(asRecord(message))),
      ...(title === undefined ? {} : { title, titleSource: 'auto' as const }),
      ...(createdAt === undefined ? {} : { createdAt }),
    })
  }
  return { source: 'claude', chats, problems }
}

function readMessage(message: JsonRecord | undefined): ImportedMessage[] {
  const id = asText(message?.uuid)
  if (message === undefined || id === undefined) return []
  const blocks = asList(message.content).map((block) => asRecord(block) ?? {})
  const ofType = (type: string) => blocks.filter((block) => block.type === type)
  const text = ofType('text').map((block) => asText(block.text) ?? '')
  const reasoning = ofType('thinking').map((block) => asText(block.thinking) ?? '')
  const files = [...asList(message.attachments), ...asList(message.files)].flatMap((file) => {
    const name = asText(asRecord(file)?.file_name)
    return name === undefined ? [] : [name]
  })
  const tools = ofType('tool_use').map((block, index) => readCall(block, index, ofType('tool_result')))
  return [
    {
      id,
      role: message.sender === 'assistant' ? 'assistant' : 'user',
      content: blocks.length === 0 ? (asText(message.text) ?? '') : text.join('\n'),
      createdAt: asTime(message.created_at) ?? 0,
      ...(reasoning.length === 0 ? {} : { reasoning: reasoning.join('\n') }),
      ...(tools.length === 0 ? {} : { tools }),
      ...(files.length === 0 ? {} : { fields: { files } }),
    },
  ]
}

/** A call with its result; where no ids say which belongs to which, by their order. */
function readCall(block: JsonRecord, index: number, results: readonly JsonRecord[]): ToolCallInput {
  const id = asText(block.id)
  const own = id === undefined ? undefined : results.find((candidate) => candidate.tool_use_id === id)
  const result = own ?? results.filter((candidate) => asText(candidate.tool_use_id) === undefined)[index]
  return {
    id: (id ?? `call_${index}`).slice(0, 128),
    name: asText(block.name) ?? 'unknown',
    ...(block.input === undefined ? {} : { args: block.input }),
    ...(result?.content === undefined ? {} : { result: result.content }),
    ...(result?.is_error === true ? { status: 'failed' as const } : {}),
  }
}

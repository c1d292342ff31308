import type { ChatContent } from './chats-api.js'
import { EXPORT_FORMAT } from './import/read-import.js'
import type { Message } from './message.js'

/**
 * Chats as JSON, to keep elsewhere or to import again: `{ format, version, chats }`. The same chats give the same text.
 * Holds what the documents hold, so no key and no token.
 */
export function exportToJson(chats: readonly ChatContent[]): string {
  const list = chats.map(
    ({ id, owner, title, titleSource, model, createdAt, archived, deletedAt, messages }) => ({
      id,
      owner,
      title,
      titleSource,
      ...(model === '' ? {} : { model }),
      createdAt,
      archived,
      ...(deletedAt === undefined ? {} : { deletedAt }),
      messages,
    }),
  )
  return `${JSON.stringify({ format: EXPORT_FORMAT, version: 1, chats: list }, null, 2)}\n`
}

/** Chats as Markdown, for people to read: a heading for each chat and each message, times in UTC. */
export function exportToMarkdown(chats: readonly ChatContent[]): string {
  return `${chats.map(chatToMarkdown).join('\n\n---\n\n')}\n`
}

function chatToMarkdown({ title, createdAt, model, messages }: ChatContent): string {
  const facts = [formatUtc(createdAt), ...(model === '' ? [] : [model])].join(' · ')
  const head = `# ${oneLine(title === '' ? '(no title)' : title)}\n\n${facts}`
  return [head, ...messages.map(messageToMarkdown)].join('\n\n')
}

function messageToMarkdown(message: Message): string {
  const { role, content, createdAt, editedAt, status, reasoning, tools = [], error } = message
  const marks = [editedAt === undefined ? '' : ', edited', status === 'complete' ? '' : `, ${status}`].join(
    '',
  )
  const parts = [`## ${role} · ${formatUtc(createdAt)}${marks}`]
  if (reasoning !== undefined && reasoning !== '') parts.push(quote(reasoning))
  if (content !== '') parts.push(content)
  for (const { name, args, result } of tools) {
    parts.push(`**${oneLine(String(name))}**`)
    if (args !== undefined) parts.push(fence(args))
    if (result !== undefined) parts.push(fence(result))
  }
  if (error !== undefined) parts.push(`*${oneLine(error)}*`)
  return parts.join('\n\n')
}

function formatUtc(ms: number): string {
  return Number.isFinite(ms) && Math.abs(ms) < 8.64e15
    ? new Date(ms).toISOString().slice(0, 16).replace('T', ' ')
    : ''
}

function oneLine(text: string): string {
  return text.replace(/\s+/g, ' ').trim()
}

function quote(text: string): string {
  return text.replace(/^/gm, '> ')
}

/** A block of code whose fence is longer than any in it. */
function fence(value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value, null, 2)
  const longest = Math.max(2, ...[...text.matchAll(/`+/g)].map(([ticks]) => ticks.length))
  const ticks = '`'.repeat(longest + 1)
  return `${ticks}\n${text}\n${ticks}`
}

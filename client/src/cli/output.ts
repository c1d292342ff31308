import type { SyncStatus } from '../client-api.js'
import type { RefusedEntry } from '../core/outbox-queries.js'
import type { ChatSummary } from '../model/chat-summary.js'
import type { ChatContent, SearchResult } from '../model/chats-api.js'
import type { SettingsContent } from '../model/settings.js'
import type { Contribution } from '../model/training.js'

/** A moment as a person reads it, in local time: `2026-11-22 18:40`. */
export function formatTime(ms: number): string {
  const date = new Date(ms - new Date(ms).getTimezoneOffset() * 60_000)
  return date.toISOString().slice(0, 16).replace('T', ' ')
}

/**
 * Text from a document, safe to print: control characters, which could command the terminal, are shown as
 * escapes. Line breaks stay, indented below the first line.
 */
export function printable(text: string, indent = ''): string {
  const escaped = text.replace(
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
    /[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/g,
    (char) => (char === '\t' ? '  ' : `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`),
  )
  return escaped.replace(/\n/g, `\n${indent}`)
}

/** The list of chats, one per line. */
export function formatChats(chats: readonly ChatSummary[]): string {
  if (chats.length === 0) return 'no chats yet: make one with "onyx-sync chat new"'
  const idWidth = Math.max(...chats.map((chat) => chat.id.length))
  return chats
    .map((chat) => {
      const count = `${chat.messageCount} message${chat.messageCount === 1 ? '' : 's'}`
      return `${chat.id.padEnd(idWidth)}  ${formatTime(chat.lastActivityAt)}  ${count.padStart(12)}  ${printable(chat.title)}${listed(chat)}`
    })
    .join('\n')
}

/** What tells a chat that is only in the list from one that is here. */
function listed({ isHeld, bytes = 0 }: ChatSummary): string {
  return isHeld ? '' : `  (not on this device, ${Math.ceil(bytes / 1024)} KB)`
}

/** A chat as a conversation. */
export function formatChat(chat: ChatContent): string {
  const deleted = chat.deletedAt === undefined ? '' : `  (deleted ${formatTime(chat.deletedAt)})`
  const head = `${printable(chat.title === '' ? '(no title)' : chat.title)}  [${chat.id}]${deleted}`
  const lines = chat.messages.map((message) => {
    const edited = message.editedAt === undefined ? '' : ' (edited)'
    return `\n${formatTime(message.createdAt)}  ${message.role}${edited}  [${message.id}]\n  ${printable(message.content, '  ')}`
  })
  return [head, ...lines].join('\n')
}

/** Settings, one per line. */
export function formatSettings({ preferences, features }: SettingsContent): string {
  const lines = [
    ...Object.entries(preferences).map(([key, value]) => `${key} = ${printable(JSON.stringify(value))}`),
    ...Object.entries(features).map(([name, isOn]) => `feature ${name} ${isOn ? 'on' : 'off'}`),
  ]
  return lines.length === 0
    ? 'no settings yet: set one with "onyx-sync settings set KEY VALUE"'
    : lines.join('\n')
}

/** What a search found: titles, then messages with what is around the place. */
export function formatSearch({ chats, messages }: SearchResult): string {
  const lines = [
    ...chats.map(({ id, title }) => `${id}  ${printable(title)}`),
    ...messages.map(({ address, message }) => {
      const chat = address.slice(address.indexOf(':', 6) + 1)
      const start = printable(message.content.slice(0, 100).replace(/\s+/g, ' '))
      return `${chat}  [${message.id}]  ${message.role}: ${start}`
    }),
  ]
  return lines.length === 0 ? 'nothing found' : lines.join('\n')
}

/** What was contributed, one per line. */
export function formatContributions(list: readonly Contribution[]): string {
  if (list.length === 0) return 'nothing was contributed on this device'
  return list
    .map(({ id, state, quality, createdAt, content }) => {
      const start = printable(content.slice(0, 60).replace(/\s+/g, ' '))
      return `${id}  ${formatTime(createdAt)}  ${state}  ${quality}/5  ${start}`
    })
    .join('\n')
}

/** How a device stands, with what to do about it. */
export function formatStatus(pubkey: string, status: SyncStatus, refused: readonly RefusedEntry[]): string {
  const lines = [
    `account    ${pubkey}`,
    `documents  ${status.documents}`,
    `unsent     ${status.unsent === 0 ? 'nothing: all edits are saved on the server' : edits(status.unsent)}`,
    `refused    ${status.refused === 0 ? 'nothing' : edits(status.refused)}`,
    ...refused.map((entry) => `           ${entry.lane}: ${printable(entry.reason)}`),
    ...(status.mode === 'plain' ? ['mode       plain relay: devices sync by whole states'] : []),
    `cursor     ${status.cursor === '' ? 'never synced' : status.cursor}`,
  ]
  return lines.join('\n')
}

/** `1 edit`, `3 edits`. */
export function edits(count: number): string {
  return `${count} edit${count === 1 ? '' : 's'}`
}

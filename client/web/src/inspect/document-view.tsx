import { useChats } from '@onyx-sync/client/react'
import { KIND, parseAddress } from '@onyx-sync/shared'
import { useState } from 'react'
import { ChatHistory } from '../history/chat-history.js'
import { CopyButton } from '../parts/copy-button.js'
import { MAX_EVENTS, OTHER_EVENTS, readLog } from './document-log.js'
import { EventsTable } from './events-table.js'
import { useInspected } from './inspected.js'
import { type DocumentPart, documentHash } from './route.js'
import { useAnswer } from './use-answer.js'
import { useChecked } from './use-checked.js'
import { WritersTable } from './writers-table.js'

const LABELS: Readonly<Record<DocumentPart, string>> = {
  events: 'Events',
  writers: 'Who wrote what',
  timeline: 'Timeline',
}
const NOTHING: readonly unknown[] = []

/** One document: its signed events, who wrote under which client id, and a chat as it was. */
export function DocumentView({ address, part }: { readonly address: string; readonly part: DocumentPart }) {
  const { chats } = useChats({ includeDeleted: true })
  const inspected = useInspected()
  const { account, reader } = inspected
  const [round, setRound] = useState(0)
  const parsed = parseAddress(address)
  const isChat = parsed?.kind === KIND.chat
  const log = useAnswer(() => readLog(reader, account.pubkey, address), String(round))
  const checked = useChecked(log.status === 'there' ? log.value.events : NOTHING)
  const other = OTHER_EVENTS.find(({ name }) => name === address)
  const title = isChat
    ? (chats.find((chat) => chat.address === address)?.title ?? '')
    : (other?.title ?? 'Settings')

  if (parsed === undefined && other === undefined) return <p>There is no such document.</p>
  return (
    <>
      <p>
        <a href="#/documents">All documents</a>
      </p>
      <h2>{title === '' ? 'Untitled' : title}</h2>
      {parsed !== undefined && (
        <p className="address-line">
          <code>{address}</code> <CopyButton text={address} label="Copy address" />
        </p>
      )}
      <nav className="inspect-nav small" aria-label="Document">
        {(isChat ? (['events', 'writers', 'timeline'] as const) : (['events'] as const)).map((name) => (
          <a key={name} href={documentHash(address, name)} aria-current={name === part ? 'page' : undefined}>
            {LABELS[name]}
          </a>
        ))}
      </nav>
      {log.status === 'waiting' && part !== 'timeline' && <p role="status">Reading the server’s log…</p>}
      {log.status === 'failed' && part !== 'timeline' && (
        <p role="alert" className="problem-text">
          {log.reason}
        </p>
      )}
      {log.status === 'there' && (part === 'events' || !isChat) && (
        <EventsTable checked={checked} total={log.value.events.length} />
      )}
      {log.status === 'there' && part === 'writers' && isChat && (
        <WritersTable address={address} checked={checked} />
      )}
      {part === 'timeline' && isChat && <ChatHistory device={inspected} address={address} />}
      {log.status === 'there' && log.value.hasMore && part !== 'timeline' && (
        <p>Those are the newest {MAX_EVENTS}; there are older ones.</p>
      )}
      {part !== 'timeline' && (
        <button type="button" className="button" onClick={() => setRound(round + 1)}>
          Read again
        </button>
      )}
    </>
  )
}

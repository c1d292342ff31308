import type { ChatSummary, SyncClient } from '@onyx-sync/client'
import { useChats, useSyncStatus } from '@onyx-sync/client/react'
import { useState } from 'react'
import * as Y from 'yjs'
import { counted, fullTime } from '../parts/words.js'
import { DataTable } from './data-table.js'
import { countLog, OTHER_EVENTS, readLog } from './document-log.js'
import { useInspected } from './inspected.js'
import { documentHash } from './route.js'
import { sizeWords } from './sizes.js'
import { type Answer, useAnswer } from './use-answer.js'
import { Who } from './who.js'

/** Documents that are shown, and whose logs are read, at first and with each step. */
const STEP = 20

interface Listed {
  readonly address: string
  readonly title: string
  /** Undefined for the settings. */
  readonly chat: ChatSummary | undefined
}

/** All documents of the account, with what this device and the server's log have of them. */
export function DocumentsView() {
  const { account } = useInspected()
  const { chats, status, error } = useChats({ includeDeleted: true })
  const isLive = useSyncStatus(({ connection }) => connection === 'live')
  const [count, setCount] = useState(STEP)
  const [round, setRound] = useState(0)
  const settings: Listed = { address: `10001:${account.pubkey}:`, title: 'Settings', chat: undefined }
  const others = OTHER_EVENTS.map(({ name, title }) => ({ address: name, title, chat: undefined }))
  const all: Listed[] = [
    settings,
    ...others,
    ...chats.map((chat) => ({ address: chat.address, title: chat.title, chat })),
  ]
  const shown = all.slice(0, count)

  return (
    <>
      <h2>Documents</h2>
      <p className="aside">
        Of this account, and shared with it. Events and checkpoints are those in the server’s log, counted
        here as they come; open a document to have their signatures checked.
      </p>
      {status === 'failed' && <p className="problem-text">{error?.message}</p>}
      <DataTable
        caption={`${counted(chats.length + 1, 'document')}${shown.length < all.length ? `, ${shown.length} of ${all.length} rows shown` : ''}`}
        heads={['Document', 'Kind', 'State here', 'Log', 'Events', 'Checkpoints', 'Newest event']}
      >
        {shown.map((document) => (
          <DocumentRow key={document.address} {...document} round={`${round} ${isLive}`} />
        ))}
      </DataTable>
      <div className="choices">
        <button type="button" className="button" onClick={() => setRound(round + 1)}>
          Count again
        </button>
        {shown.length < all.length && (
          <button type="button" className="button" onClick={() => setCount(count + STEP)}>
            Show {Math.min(STEP, all.length - shown.length)} more
          </button>
        )}
      </div>
    </>
  )
}

function DocumentRow({ address, title, chat, round }: Listed & { readonly round: string }) {
  const { account, client, reader } = useInspected()
  const isDocument = !OTHER_EVENTS.some(({ name }) => name === address)
  const state = useAnswer(
    async () => (isDocument ? stateSize(client, address, chat) : undefined),
    `${round} ${chat?.lastActivityAt}`,
  )
  const log = useAnswer(async () => countLog(await readLog(reader, account.pubkey, address)), round)
  return (
    <tr>
      <th scope="row">
        <a href={documentHash(address)}>{title === '' ? 'Untitled' : title}</a>
        {isDocument && <code className="address">{address}</code>}
      </th>
      <td>{isDocument ? <KindOf chat={chat} /> : 'Events'}</td>
      <td className="number">{words(state, (bytes) => (bytes === undefined ? '' : sizeWords(bytes)))}</td>
      <td className="number">{words(log, ({ bytes }) => sizeWords(bytes))}</td>
      <td className="number">{words(log, ({ events, hasMore }) => `${events}${hasMore ? '+' : ''}`)}</td>
      <td className="number">{words(log, ({ checkpoints }) => String(checkpoints))}</td>
      <td>{words(log, ({ newestAt }) => (newestAt === 0 ? 'none' : fullTime(newestAt)))}</td>
    </tr>
  )
}

function KindOf({ chat }: { readonly chat: ChatSummary | undefined }) {
  const { account } = useInspected()
  if (chat === undefined) return 'Settings'
  return (
    <>
      Chat
      {chat.deletedAt !== undefined && ', in the bin'}
      {chat.archived && ', archived'}
      {!chat.isHeld && ', only listed here'}
      {chat.owner !== account.pubkey && (
        <>
          , of <Who pubkey={chat.owner} />
        </>
      )}
    </>
  )
}

/** Bytes of a document's state on this device; of one that is only listed, as the server has told it. */
async function stateSize(
  client: SyncClient,
  address: string,
  chat: ChatSummary | undefined,
): Promise<number> {
  if (chat?.isHeld === false) return chat.bytes ?? 0
  const { doc, release } = await client.openDocument(address)
  try {
    return Y.encodeStateAsUpdate(doc).byteLength
  } finally {
    release()
  }
}

function words<T>(answer: Answer<T>, toWords: (value: T) => string) {
  if (answer.status === 'there') return toWords(answer.value)
  return answer.status === 'waiting' ? '…' : <span title={answer.reason}>not known</span>
}

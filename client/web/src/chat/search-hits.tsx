import type { MessageHit, SearchResult } from '@onyx-sync/client'
import { useDevice } from '../device/device-context.js'
import { chatHash } from '../parts/route.js'
import { shortTime } from '../parts/words.js'

/** So much of a message's text around nothing in particular. Characters. */
const SNIPPET = 140

/** What a search found: chats by their titles, then messages. */
export function SearchHits({
  found,
  onChosen,
}: {
  readonly found: SearchResult & { readonly status: string }
  readonly onChosen: () => void
}) {
  const { account } = useDevice()
  const nameIn = (address: string) => {
    const [, owner, ...id] = address.split(':')
    return owner === account.pubkey ? id.join(':') : address
  }
  const isNothing = found.status === 'ready' && found.chats.length + found.messages.length === 0
  return (
    <div className="hits">
      <p className="visually-hidden" role="status">
        {found.status === 'ready' &&
          `${found.chats.length} chats and ${found.messages.length} messages found`}
      </p>
      <ul className="chats">
        {found.chats.map((chat) => (
          <li key={chat.address}>
            <a className="chat-row" href={chatHash(nameIn(chat.address))} onClick={onChosen}>
              <span className="chat-title">{chat.title || 'Untitled'}</span>
              <time>{shortTime(chat.lastActivityAt)}</time>
            </a>
          </li>
        ))}
        {found.messages.map((hit) => (
          <li key={hit.address + hit.message.id}>
            <a className="chat-row" href={chatHash(nameIn(hit.address), hit.position)} onClick={onChosen}>
              <span className="chat-title">{snippetOf(hit)}</span>
              <time>{shortTime(hit.message.createdAt)}</time>
              <span className="chat-note">{hit.message.role === 'user' ? 'You' : 'Reply'}</span>
            </a>
          </li>
        ))}
      </ul>
      {isNothing && <p className="empty">Nothing found on this device.</p>}
    </div>
  )
}

function snippetOf({ message }: MessageHit): string {
  const text = message.content.replaceAll(/\s+/g, ' ')
  return text.length > SNIPPET ? `${text.slice(0, SNIPPET)}…` : text
}

import type { ChatSummary } from '@onyx-sync/client'
import { useChats, useSearch } from '@onyx-sync/client/react'
import { memo, useDeferredValue, useState } from 'react'
import { useDevice } from '../device/device-context.js'
import { Icon } from '../parts/icon.js'
import { Logo } from '../parts/logo.js'
import { chatHash, chatName, isNamed, type Route } from '../parts/route.js'
import { orToast } from '../parts/toasts.js'
import { counted, shortTime } from '../parts/words.js'
import { SearchHits } from './search-hits.js'

const KINDS = [
  { name: 'open', label: 'Chats' },
  { name: 'archived', label: 'Archived' },
  { name: 'deleted', label: 'Deleted' },
] as const
type Kind = (typeof KINDS)[number]['name']

/** All chats by last activity, those that were put away, and what a search finds. */
export function ChatList({ route, onSettings }: { readonly route: Route; readonly onSettings: () => void }) {
  const { slot, account } = useDevice()
  const [query, setQuery] = useState('')
  const [kind, setKind] = useState<Kind>('open')
  const { chats, status, error } = useChats({ includeDeleted: true })
  const search = useSearch(useDeferredValue(query))
  const isSearching = query.trim() !== ''
  const shown = chats.filter((chat) => kindOf(chat) === kind)

  return (
    <nav className="sidebar" aria-label="Chats">
      <h1 className="visually-hidden">Your chats</h1>
      <div className="sidebar-head">
        <Logo />
        <a className="icon-button" href="#/new" aria-label="New chat" title="New chat">
          <Icon name="plus" />
        </a>
      </div>
      <search className="search">
        <Icon name="search" size={18} />
        <input
          type="search"
          placeholder="Search"
          aria-label="Search chats and messages"
          value={query}
          onChange={(event) => setQuery(event.target.value)}
        />
      </search>
      {error && <p className="problem-text">{error.message}</p>}
      {isSearching ? (
        <SearchHits found={search} onChosen={() => setQuery('')} />
      ) : (
        <>
          <fieldset className="kinds">
            <legend className="visually-hidden">Which chats</legend>
            {KINDS.map(({ name, label }) => (
              <button key={name} type="button" aria-pressed={kind === name} onClick={() => setKind(name)}>
                {label}
              </button>
            ))}
          </fieldset>
          <ul className="chats">
            {shown.map((chat) => (
              <Row key={chat.address} chat={chat} isCurrent={isNamed(chat, route.chat, account.pubkey)} />
            ))}
          </ul>
          {shown.length === 0 && status === 'ready' && (
            <p className="empty">
              {kind === 'open' ? 'No chats yet. Write the first message.' : 'Nothing here.'}
            </p>
          )}
        </>
      )}
      <div className="sidebar-foot">
        {!slot.isFrame && (
          <a className="button quiet" href="/two">
            <Icon name="columns" size={18} /> Two devices
          </a>
        )}
        <button type="button" className="button quiet" onClick={onSettings}>
          <Icon name="settings" size={18} /> Settings
        </button>
      </div>
    </nav>
  )
}

function kindOf({ deletedAt, archived }: ChatSummary): Kind {
  if (deletedAt !== undefined) return 'deleted'
  return archived ? 'archived' : 'open'
}

const Row = memo(({ chat, isCurrent }: { readonly chat: ChatSummary; readonly isCurrent: boolean }) => {
  const { client, account } = useDevice()
  const isForeign = chat.owner !== account.pubkey
  const unread = isCurrent ? 0 : chat.unreadCount
  return (
    <li>
      <a
        className="chat-row"
        href={chatHash(chatName(chat, account.pubkey))}
        aria-current={isCurrent ? 'page' : undefined}
      >
        <span className="chat-title">{chat.title || 'Untitled'}</span>
        <time dateTime={new Date(chat.lastActivityAt).toISOString()}>{shortTime(chat.lastActivityAt)}</time>
        <span className="chat-note">
          {chat.draft !== '' && !isCurrent ? (
            <i>Draft: {chat.draft}</i>
          ) : (
            counted(chat.messageCount, 'message')
          )}
          {isForeign && ' · shared with you'}
        </span>
        {unread > 0 && (
          <span className="unread">
            {unread}
            <span className="visually-hidden"> unread</span>
          </span>
        )}
      </a>
      {chat.deletedAt !== undefined && (
        <button
          type="button"
          className="button small"
          onClick={() => void orToast(client.chats.restore(chat.address))}
        >
          Restore
        </button>
      )}
    </li>
  )
})

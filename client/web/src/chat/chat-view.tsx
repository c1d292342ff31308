import { useChat, useChats, useMessages } from '@onyx-sync/client/react'
import { lazy, Suspense, useCallback, useDeferredValue, useEffect, useRef, useState } from 'react'
import { useDevice } from '../device/device-context.js'
import { Icon } from '../parts/icon.js'
import { chatHash, isNamed } from '../parts/route.js'
import { orToast } from '../parts/toasts.js'
import { useStore } from '../parts/use-store.js'
import { Composer } from './composer.js'
import { MessageRow } from './message-row.js'
import { NotKept } from './not-kept.js'
import { Others } from './others.js'
import { TitleField } from './title-field.js'
import { useAuthors } from './use-authors.js'
import { useIsPainted } from './use-is-painted.js'
import { usePart } from './use-part.js'
import { useScroll } from './use-scroll.js'
import { useSending } from './use-sending.js'

const ChatDialog = lazy(() => import('./chat-dialog.js').then(({ ChatDialog }) => ({ default: ChatDialog })))

const HistoryDialog = lazy(() =>
  import('./history-dialog.js').then(({ HistoryDialog }) => ({ default: HistoryDialog })),
)

/** How many messages are shown at first, and how many more each time. */
const WINDOW = 50

/** A chat: who is there, its messages, and where one writes. */
export function ChatView({ id, around }: { readonly id: string; readonly around: number | undefined }) {
  const { account, client, replies } = useDevice()
  const shown = useMessages(id, { last: WINDOW, ...(around !== undefined && { around }) })
  const { total, status } = shown
  const isFound = around !== undefined
  const isAtEnd = useRef(!isFound)
  // Many that come at once are rendered bit by bit, so that nobody who types waits for them.
  const part = usePart(useDeferredValue(shown), isAtEnd, WINDOW)
  const { messages } = part
  // Messages come from a table at once; a long chat's document takes longer, and nobody has to wait for it to read.
  const opened = useChat(useIsPainted(status !== 'loading') ? id : undefined)
  const { chat, error, canWrite, isDeleted } = opened
  const summary = useChats({ includeDeleted: true }).chats.find((known) => isNamed(known, id, account.pubkey))
  const [open, setOpen] = useState<'chat' | 'history'>()
  const [isTyping, setTyping] = useState(false)
  const send = useSending()
  const address = chat?.address ?? summary?.address ?? ''
  const title = chat === undefined ? (summary?.title ?? '') : opened.title
  const isWriting = useStore(replies, () => replies.isWriting(address))
  const authors = useAuthors(chat, messages)
  const scroll = useScroll(messages, part.hasNewer, isAtEnd)

  useEffect(() => {
    if (chat === undefined || document.visibilityState !== 'visible') return
    // Where storage refuses it the bar says so.
    if (total > 0) chat.markRead().catch(() => {})
  }, [chat, total])

  const keepDraft = useCallback(
    // Where storage refuses it the bar says so, and the text is still where it is written.
    (text: string) => void client.chats.setDraft(address, text).catch(() => {}),
    [client, address],
  )

  function toEnd() {
    part.toEnd()
    scroll.toEnd()
  }

  /** From a window around something found, which doesn't have the newest, to one that does. */
  function leaveFound() {
    if (shown.hasNewer && location.hash === chatHash(id, around)) location.hash = chatHash(id)
  }

  async function say(text: string) {
    toEnd()
    await send(() => client.chats.open(address), text)
    // Not before: until it is kept, it may have to come back to where it was written.
    leaveFound()
  }

  return (
    <section className="chat" aria-label={title || 'Chat'}>
      <header className="chat-head">
        <a className="icon-button only-narrow" href="#/" aria-label="All chats">
          <Icon name="back" />
        </a>
        <TitleField chat={chat} title={title} canWrite={canWrite} />
        <Others address={address} isTyping={isTyping} />
        <button
          type="button"
          className="icon-button"
          aria-label="Share and more"
          title="Share and more"
          disabled={chat === undefined}
          onClick={() => setOpen('chat')}
        >
          <Icon name="more" />
        </button>
      </header>
      {error && (
        <p className="notice" role="alert">
          {error.message}
        </p>
      )}
      {isDeleted && (
        <p className="notice">
          This chat is deleted.{' '}
          <button type="button" className="link" onClick={() => void orToast(chat?.restore())}>
            Restore it
          </button>
        </p>
      )}
      <div className="messages" ref={scroll.box} onScroll={scroll.onScroll}>
        {part.hasOlder && (
          <button type="button" className="button small more" onClick={part.loadOlder}>
            Show older messages
          </button>
        )}
        <div role="log" aria-label="Messages" aria-relevant="additions">
          {messages.map((message, index) => (
            <MessageRow
              key={message.id}
              address={address}
              message={message}
              previousId={messages[index - 1]?.id}
              author={authors.get(message.id)}
            />
          ))}
        </div>
        {part.hasNewer && (
          <button type="button" className="button small more" onClick={part.loadNewer}>
            Show newer messages
          </button>
        )}
      </div>
      <div className="chat-foot">
        <NotKept shown={messages} />
        {scroll.isAway && (
          <button
            type="button"
            className="button small to-end"
            onClick={() => {
              toEnd()
              leaveFound()
            }}
          >
            To the newest
          </button>
        )}
        {summary && (
          <Composer
            key={address}
            draft={summary.draft}
            isFocused={!isFound && !('ontouchstart' in window)}
            onDraft={keepDraft}
            onTyping={setTyping}
            onSend={say}
            onStop={isWriting ? () => replies.stop(address) : undefined}
            disabledBecause={
              chat === undefined || canWrite ? undefined : 'You may read this chat, not write in it'
            }
          />
        )}
      </div>
      <Suspense>
        {open === 'chat' && chat && (
          <ChatDialog
            chat={chat}
            opened={opened}
            onHistory={() => setOpen('history')}
            onClose={() => setOpen(undefined)}
          />
        )}
        {open === 'history' && chat && <HistoryDialog address={address} onClose={() => setOpen(undefined)} />}
      </Suspense>
    </section>
  )
}

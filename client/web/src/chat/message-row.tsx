import type { Chat, Message } from '@onyx-sync/client'
import { lazy, memo, Suspense, useEffect, useState } from 'react'
import { useDevice } from '../device/device-context.js'
import { CopyButton } from '../parts/copy-button.js'
import { Icon } from '../parts/icon.js'
import { orToast, toast } from '../parts/toasts.js'
import { fullTime, shortKey, shortTime } from '../parts/words.js'
import { Mark } from './mark.js'
import { Markdown } from './markdown.js'
import { MessageEditor } from './message-editor.js'
import { ToolCalls } from './tool-calls.js'
import { useIsSilent } from './use-is-silent.js'

const RateDialog = lazy(() => import('./rate-dialog.js').then(({ RateDialog }) => ({ default: RateDialog })))

const SPEAKERS = { user: 'You', assistant: 'Reply', system: 'System', tool: 'Tool' } as const
const ENDINGS: Readonly<Record<string, string>> = {
  error: 'This reply failed.',
  aborted: 'This reply was stopped.',
}

/** Who speaks, in words. */
function speakerOf(role: Message['role'], author: string | undefined): string {
  const speaker = SPEAKERS[role] ?? role
  if (author === undefined) return speaker
  const name = author === '' ? 'somebody unknown' : shortKey(author)
  return role === 'user' ? name : `${speaker}, by ${name}`
}

/** One message, and what can be done with it. Rendered again only when it changes, whatever streams below it. */
export const MessageRow = memo(
  ({
    address,
    message: row,
    previousId,
    author,
  }: {
    readonly address: string
    readonly message: Message
    readonly previousId: string | undefined
    /** Who wrote it, `npub1…`, empty where nobody can tell; undefined for this account. */
    readonly author: string | undefined
  }) => {
    const { client, marks, keeping } = useDevice()
    const [open, setOpen] = useState<'edit' | 'rate'>()
    const [hasActions, setActions] = useState(false)
    const message = useWhole(address, row)
    const { id, role, content, status, reasoning, tools, editedAt } = message
    const isSilent = useIsSilent(row)

    async function remove() {
      await client.chats.deleteMessage(address, id)
      toast({
        text: 'Message deleted.',
        action: {
          label: 'Undo',
          run: () =>
            orToast(
              marks.during(address, id, () => client.chats.restoreMessage(address, message, previousId)),
            ),
        },
      })
    }

    async function save(text: string) {
      setOpen(undefined)
      if (text === content) return
      const edit = (chat: Chat) => marks.during(address, id, () => chat.edit(id, text))
      const chat = await keeping.keep({ messageId: id, text }, () => client.chats.open(address), edit)
      chat.release()
    }

    return (
      <article
        className="message"
        data-role={role}
        data-by={author === undefined ? 'own' : 'other'}
        aria-label={`${speakerOf(role, author)}, ${fullTime(message.createdAt)}`}
      >
        {author !== undefined && (
          <p className="author" title={author}>
            {speakerOf(role, author)}
          </p>
        )}
        {reasoning !== undefined && reasoning !== '' && (
          <details className="fold">
            <summary>
              <Icon name="thought" size={16} /> Thoughts
            </summary>
            <p className="reasoning">{reasoning}</p>
          </details>
        )}
        {tools && <ToolCalls calls={tools} />}
        {open === 'edit' ? (
          <MessageEditor
            text={content}
            onSave={(text) => void orToast(save(text))}
            onCancel={() => setOpen(undefined)}
          />
        ) : (
          <div className="bubble">
            <Markdown text={content} />
            {status === 'streaming' && !isSilent && (
              <span className="writing">{content === '' ? 'Thinking…' : ''}</span>
            )}
            {isSilent && (
              <p className="problem-text">
                Nothing more has come for a while: the device that was writing this may be off.
              </p>
            )}
            {ENDINGS[status] && (
              <p className="problem-text">
                {ENDINGS[status]} {message.error}
              </p>
            )}
          </div>
        )}
        <footer className="message-foot">
          <time dateTime={new Date(message.createdAt).toISOString()} title={fullTime(message.createdAt)}>
            {shortTime(message.createdAt)}
          </time>
          {editedAt !== undefined && <span>edited</span>}
          <Mark address={address} message={row} />
          <button
            type="button"
            className="icon-button small reveal"
            aria-label="Message actions"
            aria-expanded={hasActions}
            onClick={() => setActions(!hasActions)}
          >
            <Icon name="more" size={16} />
          </button>
          <span className="actions" data-open={hasActions}>
            <CopyButton text={content} label="Copy message" />
            <button
              type="button"
              className="icon-button small"
              aria-label="Edit message"
              onClick={() => setOpen('edit')}
            >
              <Icon name="edit" size={16} />
            </button>
            <button
              type="button"
              className="icon-button small"
              aria-label="Delete message"
              onClick={() => void orToast(remove())}
            >
              <Icon name="trash" size={16} />
            </button>
            {role === 'assistant' && (
              <button
                type="button"
                className="icon-button small"
                aria-label="Rate message"
                onClick={() => setOpen('rate')}
              >
                <Icon name="star" size={16} />
              </button>
            )}
          </span>
        </footer>
        <Suspense>
          {open === 'rate' && (
            <RateDialog address={address} message={message} onClose={() => setOpen(undefined)} />
          )}
        </Suspense>
      </article>
    )
  },
)

/** All of a message: one that was too large for its row is read from its document. */
function useWhole(address: string, row: Message): Message {
  const { client } = useDevice()
  const [whole, setWhole] = useState<{ readonly of: Message; readonly message: Message }>()
  useEffect(() => {
    if (row.isPartial !== true) return
    client.chats.message(address, row.id).then(
      (message) => setWhole({ of: row, message }),
      // It has just been deleted: what is in the row is shown as long as the row is.
      () => {},
    )
  }, [client, address, row])
  return whole?.message.id === row.id && row.isPartial === true ? whole.message : row
}

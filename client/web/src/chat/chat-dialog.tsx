import { type Chat, exportToJson, exportToMarkdown, type Role } from '@onyx-sync/client'
import type { ChatResult } from '@onyx-sync/client/react'
import { npubEncode } from 'nostr-tools/nip19'
import { type FormEvent, useId, useState } from 'react'
import { readPublicKey } from '../account/key-text.js'
import { useDevice } from '../device/device-context.js'
import { Dialog } from '../parts/dialog.js'
import { download } from '../parts/download.js'
import { Icon } from '../parts/icon.js'
import { orToast, toast } from '../parts/toasts.js'
import { shortKey } from '../parts/words.js'

/** Everything about a chat that isn't its messages: who shares it, and where it goes. */
export function ChatDialog({
  chat,
  opened,
  onHistory,
  onClose,
}: {
  readonly chat: Chat
  readonly opened: ChatResult
  readonly onHistory: () => void
  readonly onClose: () => void
}) {
  const { client, account } = useDevice()
  const isOwner = chat.owner === account.pubkey
  const title = opened.title || 'Untitled'

  async function remove() {
    await chat.delete()
    onClose()
    location.hash = '#/'
    toast({
      text: `“${title}” deleted.`,
      action: { label: 'Undo', run: () => orToast(client.chats.restore(chat.address)) },
    })
  }

  async function removeForever() {
    if (!confirm(`Delete “${title}” for good, on the server and on all devices? Nothing brings it back.`))
      return
    onClose()
    location.hash = '#/'
    await client.chats.deleteForever(chat.address)
    toast({ text: `“${title}” is deleted for good.` })
  }

  async function save(kind: 'md' | 'json') {
    const whole = [await client.chats.read(chat.address)]
    if (kind === 'md') download(`${title}.md`, exportToMarkdown(whole), 'text/markdown')
    else download(`${title}.json`, exportToJson(whole), 'application/json')
  }

  return (
    <Dialog title={title} onClose={onClose}>
      {isOwner ? (
        <Members chat={chat} />
      ) : (
        <p>
          Shared with you by <code>{shortKey(npubEncode(chat.owner))}</code>.
        </p>
      )}
      <h3>This chat</h3>
      <div className="choices">
        <button type="button" className="button" onClick={onHistory}>
          <Icon name="history" size={18} /> History
        </button>
        <button
          type="button"
          className="button"
          onClick={() => void orToast(chat.archive(!opened.isArchived))}
        >
          <Icon name="archive" size={18} /> {opened.isArchived ? 'Take out of the archive' : 'Archive'}
        </button>
        <button type="button" className="button" onClick={() => void orToast(save('md'))}>
          Save as Markdown
        </button>
        <button type="button" className="button" onClick={() => void orToast(save('json'))}>
          Save as JSON
        </button>
      </div>
      <div className="choices">
        <button type="button" className="button danger" onClick={() => void orToast(remove())}>
          <Icon name="trash" size={18} /> Delete
        </button>
        {isOwner && (
          <button type="button" className="button danger" onClick={() => void orToast(removeForever())}>
            Delete for good…
          </button>
        )}
      </div>
    </Dialog>
  )
}

function Members({ chat }: { readonly chat: Chat }) {
  const { client } = useDevice()
  const [members, setMembers] = useState(() => client.chats.members(chat.address))
  const [text, setText] = useState('')
  const [role, setRole] = useState<Role>('write')
  const [problem, setProblem] = useState('')
  const fieldId = useId()
  const look = () => setMembers(client.chats.members(chat.address))

  async function share(event: FormEvent) {
    event.preventDefault()
    const pubkey = readPublicKey(text)
    if (pubkey === undefined) {
      setProblem('That is no public key: it begins with npub1, or has 64 hex characters.')
      return
    }
    try {
      await client.chats.share(chat.address, pubkey, { role })
      setText('')
      look()
    } catch (error) {
      setProblem((error as Error).message)
    }
  }

  async function remove(pubkey: string) {
    await client.chats.unshare(chat.address, pubkey)
    look()
  }

  return (
    <>
      <h3>Shared with</h3>
      {members.length === 0 && <p>Nobody but you can read this chat, and the operator of the server.</p>}
      <ul className="members">
        {members.map(({ pubkey, role: given }) => (
          <li key={pubkey}>
            <code>{shortKey(npubEncode(pubkey))}</code>
            <span>{given === 'read' ? 'reads' : 'reads and writes'}</span>
            <button type="button" className="link" onClick={() => void orToast(remove(pubkey))}>
              Remove
            </button>
          </li>
        ))}
      </ul>
      <form className="share" onSubmit={(event) => void share(event)}>
        <label htmlFor={fieldId}>Share with a public key</label>
        <input
          id={fieldId}
          className="field"
          placeholder="npub1…"
          autoComplete="off"
          spellCheck={false}
          value={text}
          onChange={(event) => {
            setText(event.target.value)
            setProblem('')
          }}
        />
        <select
          className="field"
          aria-label="What they may do"
          value={role}
          onChange={(event) => setRole(event.target.value as Role)}
        >
          <option value="write">reads and writes</option>
          <option value="read">reads</option>
        </select>
        <button type="submit" className="button primary" disabled={text.trim() === ''}>
          Share
        </button>
      </form>
      <p className="problem-text" role="alert">
        {problem}
      </p>
    </>
  )
}

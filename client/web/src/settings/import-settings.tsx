import { exportToJson, readImport } from '@onyx-sync/client'
import { useState } from 'react'
import { useDevice } from '../device/device-context.js'
import { download } from '../parts/download.js'
import { orToast } from '../parts/toasts.js'
import { counted } from '../parts/words.js'

/** Chats from elsewhere, and all of one's own as a file. */
export function ImportSettings() {
  const { client } = useDevice()
  const [outcome, setOutcome] = useState('')

  async function bringIn(file: File) {
    setOutcome('Reading…')
    try {
      const { chats, problems } = readImport(await file.text())
      const { newChats, newMessages, knownMessages, problems: refused } = await client.import(chats)
      const known = knownMessages === 0 ? '' : `, ${counted(knownMessages, 'message')} were here already`
      const left = [...problems, ...refused]
      setOutcome(
        `${counted(newChats, 'new chat')}, ${counted(newMessages, 'new message')}${known}. ${left.slice(0, 3).join('; ')}`,
      )
    } catch (error) {
      setOutcome((error as Error).message)
    }
  }

  async function saveAll() {
    const chats = await client.chats.list({ includeDeleted: true })
    const whole = await Promise.all(chats.map(({ address }) => client.chats.read(address)))
    download('onyx-sync-chats.json', exportToJson(whole), 'application/json')
  }

  return (
    <>
      <label className="row">
        Import chats: conversations.json of ChatGPT or Claude, or what Onyx or this page exported
        <input
          type="file"
          className="field"
          accept=".json,application/json"
          onChange={(event) => {
            const [file] = event.target.files ?? []
            event.target.value = ''
            if (file) void bringIn(file)
          }}
        />
      </label>
      <p className="aside" role="status">
        {outcome || 'Nothing is doubled: the same file twice is the same as once.'}
      </p>
      <button type="button" className="button" onClick={() => void orToast(saveAll())}>
        Save all chats as a file
      </button>
    </>
  )
}

import { lazy, Suspense, useEffect, useState } from 'react'
import { ChatList } from './chat/chat-list.js'
import { ChatView } from './chat/chat-view.js'
import { NewChat } from './chat/new-chat.js'
import { useDevice } from './device/device-context.js'
import { useRoute } from './parts/route.js'
import { toast } from './parts/toasts.js'
import { SyncBar } from './sync/sync-bar.js'

const SettingsDialog = lazy(() =>
  import('./settings/settings-dialog.js').then(({ SettingsDialog }) => ({ default: SettingsDialog })),
)
const SyncDialog = lazy(() =>
  import('./sync/sync-dialog.js').then(({ SyncDialog }) => ({ default: SyncDialog })),
)

/** Everything that is shown of a device: its list, a chat, and above both how it stands with the server. */
export function Workspace({ givenKey }: { readonly givenKey: string | undefined }) {
  const { account, slot, client, network, marks } = useDevice()
  const route = useRoute()
  const [open, setOpen] = useState<'settings' | 'sync'>()

  useEffect(() => {
    if (givenKey === undefined) return
    void import('./account/key-text.js').then(({ isKeyOf, readSecretKey }) => {
      const isSame = isKeyOf(readSecretKey(givenKey), account.pubkey)
      toast({
        text: isSame
          ? 'This device has that account already.'
          : 'This browser has another account. Leave it in Settings first, then open the code again.',
      })
    })
  }, [givenKey, account])

  useEffect(() => {
    if (!slot.isFrame) return undefined
    let end = () => {}
    let isOver = false
    void import('./two/demo.js').then(({ answerDemo }) => {
      if (!isOver) end = answerDemo({ client, network, marks })
    })
    return () => {
      isOver = true
      end()
    }
  }, [slot, client, network, marks])

  return (
    <div className="app" data-view={route.view} data-frame={slot.isFrame}>
      <a className="skip" href="#chat">
        Skip to the chat
      </a>
      <SyncBar onDetails={() => setOpen('sync')} />
      <main>
        <ChatList route={route} onSettings={() => setOpen('settings')} />
        <div className="pane" id="chat" tabIndex={-1}>
          {route.view === 'chat' && route.chat !== undefined ? (
            <ChatView key={`${route.chat} ${route.around ?? ''}`} id={route.chat} around={route.around} />
          ) : (
            <NewChat />
          )}
        </div>
      </main>
      <Suspense>
        {open === 'settings' && <SettingsDialog onClose={() => setOpen(undefined)} />}
        {open === 'sync' && <SyncDialog onClose={() => setOpen(undefined)} />}
      </Suspense>
    </div>
  )
}

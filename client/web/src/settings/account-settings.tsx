import { SyncError } from '@onyx-sync/client'
import { useUnsaved } from '@onyx-sync/client/react'
import { npubEncode } from 'nostr-tools/nip19'
import { lazy, Suspense, useState } from 'react'
import { secretKeyText } from '../account/key-text.js'
import { useDevice } from '../device/device-context.js'
import { CopyButton } from '../parts/copy-button.js'
import { Icon } from '../parts/icon.js'
import { toast } from '../parts/toasts.js'
import { shortKey } from '../parts/words.js'

const QrCode = lazy(() => import('./qr-code.js').then(({ QrCode }) => ({ default: QrCode })))

/** The account: its name for others, its key for other devices, and the way out. */
export function AccountSettings() {
  const { account, session } = useDevice()
  const npub = npubEncode(account.pubkey)
  const secret = account.kind === 'key' ? session.keychain.reveal() : undefined
  return (
    <section>
      <h3>Account</h3>
      <p className="key-line">
        <code title={npub}>{shortKey(npub)}</code>
        <CopyButton text={npub} label="Copy public key" hasWords />
      </p>
      <p className="aside">Your public key. Give it to those who want to share a chat with you.</p>
      {secret !== undefined ? (
        <SecretKey nsec={secretKeyText(secret)} />
      ) : (
        <p>Your secret key is with your signer extension. Log in with the same one on another device.</p>
      )}
      <Leave />
    </section>
  )
}

/** The key out: behind a button, since whoever sees it has the account. */
function SecretKey({ nsec }: { readonly nsec: string }) {
  const [isShown, setShown] = useState(false)
  const link = `${location.origin}/#${nsec}`
  const isLoopback = /^(localhost|127\.|\[::1\])/.test(location.hostname)
  if (!isShown) {
    return (
      <button type="button" className="button" onClick={() => setShown(true)}>
        <Icon name="key" size={18} /> Add a device, or keep your secret key…
      </button>
    )
  }
  return (
    <div className="secret-box">
      <p>
        <strong>This is your secret key.</strong> Whoever has it, or a picture of this code, reads and writes
        everything in your account, for good. Nobody can reset it, and nobody but you has it: keep a copy in a
        password manager.
      </p>
      <Suspense fallback={<div className="qr" />}>
        <QrCode text={link} label="QR code with your secret key" />
      </Suspense>
      <p>
        {isLoopback
          ? 'This address is that of this computer only. On another one open your server’s own address, choose “I have a key”, and paste the key.'
          : 'Scan it with the camera of your other device, and open the link there.'}
      </p>
      <code className="secret-text">{nsec}</code>
      <div className="choices">
        <CopyButton text={nsec} label="Copy secret key" hasWords />
        <button type="button" className="button" onClick={() => setShown(false)}>
          Hide it
        </button>
      </div>
    </div>
  )
}

function Leave() {
  const { session, account } = useDevice()
  const unsaved = useUnsaved()
  const what =
    account.kind === 'key' ? 'Without a copy of your secret key nobody gets back into this account.' : ''

  async function leave() {
    const lost = unsaved === undefined ? '' : `${unsaved.message}, and would be lost. `
    if (!confirm(`${lost}Take this account and its chats off this device? ${what}`)) return
    try {
      await session.leave(unsaved !== undefined)
    } catch (error) {
      const text = error instanceof SyncError ? error.message : String(error)
      toast({ text, isProblem: true })
    }
  }

  return (
    <button type="button" className="button danger" onClick={() => void leave()}>
      Leave this account on this device…
    </button>
  )
}

import { useDevice } from '../device/device-context.js'
import { ChatHistory } from '../history/chat-history.js'
import { Dialog } from '../parts/dialog.js'

/** A chat as it was, at any point of its signed log, and who changed what then. */
export function HistoryDialog({
  address,
  onClose,
}: {
  readonly address: string
  readonly onClose: () => void
}) {
  return (
    <Dialog title="History" onClose={onClose} isWide>
      <ChatHistory device={useDevice()} address={address} />
    </Dialog>
  )
}

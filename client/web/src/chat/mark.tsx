import type { EditState, Message } from '@onyx-sync/client'
import { useDevice } from '../device/device-context.js'
import { Icon, type IconName } from '../parts/icon.js'
import { useStore } from '../parts/use-store.js'

const WORDS: Readonly<
  Record<EditState | 'received', { readonly icon: IconName; readonly text: string; readonly title: string }>
> = {
  local: {
    icon: 'device',
    text: 'On this device',
    title: 'Kept on this device, not saved on the server yet',
  },
  sent: { icon: 'up', text: 'Sent', title: 'Sent to the server, which hasn’t saved it yet' },
  saved: { icon: 'checks', text: 'Saved', title: 'On the server’s disk' },
  received: {
    icon: 'cloud',
    text: 'Received',
    title: 'Written on another device; the server brought it here',
  },
  refused: { icon: 'warning', text: 'Refused', title: 'The server refused it; the bar above says why' },
}

/** How far a message of this device is, or that it came from another, in words and a picture. */
export function Mark({ address, message }: { readonly address: string; readonly message: Message }) {
  const { marks } = useDevice()
  const state = useStore(marks, () => marks.stateOf(address, message)) ?? 'received'
  if (message.status === 'streaming') return null
  const { icon, text, title } = WORDS[state]
  return (
    <span className="mark" data-state={state} title={title}>
      <Icon name={icon} size={14} />
      {text}
    </span>
  )
}

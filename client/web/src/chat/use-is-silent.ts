import type { Message } from '@onyx-sync/client'
import { useEffect, useRef, useState } from 'react'
import { useDevice } from '../device/device-context.js'

/** How long a reply of another device may say nothing before its reader hears of it. Milliseconds. */
const SILENT_MS = 120_000
/** How long one gets that was old already when it was first shown. Milliseconds. */
const GRACE_MS = 10_000

/**
 * Whether nothing has come of a reply for so long that its device may be lost: then nobody ever says that it has ended
 * (docs/SPEC.md, known faults).
 */
export function useIsSilent(message: Message): boolean {
  const { client } = useDevice()
  const [silent, setSilent] = useState<Message>()
  const isNew = useRef(true)
  const isAwaited = message.status === 'streaming' && message.device !== client.deviceId
  useEffect(() => {
    if (!isAwaited) return
    const leftMs = message.createdAt + SILENT_MS - Date.now()
    // Clocks of other devices may be off.
    const waitMs = isNew.current ? Math.min(SILENT_MS, Math.max(GRACE_MS, leftMs)) : SILENT_MS
    isNew.current = false
    const timer = setTimeout(() => setSilent(message), waitMs)
    return () => clearTimeout(timer)
  }, [message, isAwaited])
  return isAwaited && silent === message
}

import type { Message } from '@onyx-sync/client'
import { type RefObject, useState } from 'react'

/** Which messages of a window are rendered: all but those before `from` and from `to` on, by their places in the chat. */
interface Bounds {
  readonly from: number
  /** Undefined where all that comes is rendered. */
  readonly to: number | undefined
  /** Place behind the last message of the window. */
  readonly end: number
}

/** A window of messages as a page gets it. */
interface Shown {
  readonly messages: readonly Message[]
  readonly start: number
  readonly hasOlder: boolean
  readonly hasNewer: boolean
  readonly loadOlder: () => void
  readonly loadNewer: () => void
}

/**
 * The part of a window that is rendered. When more than `most` messages come at once, they are not all laid out at once: who
 * is at the end gets the newest, who isn't gets the next ones, and the rest comes when it is asked for, as what is not in the
 * window does.
 */
export function usePart(shown: Shown, isAtEnd: RefObject<boolean>, most: number) {
  const { messages, start } = shown
  const end = start + messages.length
  const [bounds, setBounds] = useState<Bounds>({ from: 0, to: undefined, end: 0 })
  let now = bounds
  if (messages.length > 0 && end !== bounds.end) {
    now = { ...boundsAfter(bounds, end, isAtEnd.current, most), end }
    // Before anything of it is rendered.
    setBounds(now)
  }
  const from = Math.max(0, now.from - start)
  const to = now.to === undefined ? messages.length : Math.max(from, now.to - start)

  return {
    messages: from === 0 && to >= messages.length ? messages : messages.slice(from, to),
    hasOlder: from > 0 || shown.hasOlder,
    hasNewer: to < messages.length || shown.hasNewer,
    loadOlder() {
      if (from === 0) shown.loadOlder()
      else setBounds({ ...now, from: from <= most ? 0 : now.from - most })
    },
    loadNewer() {
      if (to >= messages.length) shown.loadNewer()
      else setBounds({ ...now, to: to + most >= messages.length ? undefined : start + to + most })
    },
    /** Those at the end, wherever one is. */
    toEnd() {
      if (to < messages.length) setBounds({ ...now, from: end - most, to: undefined })
    },
  }
}

function boundsAfter(before: Bounds, end: number, isAtEnd: boolean, most: number): Omit<Bounds, 'end'> {
  const { from, to } = before
  const came = end - before.end
  const isBurst = before.end > 0 && came > most
  if (isAtEnd) return { from: isBurst ? end - most : from, to: undefined }
  if (isBurst && to === undefined) return { from, to: before.end + most }
  return { from, to: to === undefined || to >= end ? undefined : to }
}

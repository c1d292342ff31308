import type { Message } from '@onyx-sync/client'
import { type RefObject, useCallback, useLayoutEffect, useRef, useState } from 'react'
import { useMarkdownParts } from './markdown.js'

/** Nearer to the end than this is at the end. Pixels. */
const NEAR = 60

/**
 * Keeps the newest message in sight for those who look at it, and what they look at in its place for those who don't:
 * also where older messages come in above it. Whether one looks at the end is in `isAtEnd`: not below the last message that
 * is shown, while newer ones are to be asked for.
 */
export function useScroll(messages: readonly Message[], hasNewer: boolean, isAtEnd: RefObject<boolean>) {
  const box = useRef<HTMLDivElement>(null)
  const before = useRef({ firstId: messages[0]?.id, height: 0, top: 0 })
  const [isAway, setAway] = useState(false)
  const parts = useMarkdownParts()

  const onScroll = useCallback(() => {
    const element = box.current
    if (element === null) return
    const isBelowAll = element.scrollHeight - element.scrollTop - element.clientHeight < NEAR
    isAtEnd.current = isBelowAll && !hasNewer
    before.current = { ...before.current, top: element.scrollTop, height: element.scrollHeight }
    setAway(!isAtEnd.current)
  }, [hasNewer, isAtEnd])

  // biome-ignore lint/correctness/useExhaustiveDependencies: texts get another height when Markdown can be read
  useLayoutEffect(() => {
    const element = box.current
    if (element === null) return
    const { firstId, height, top } = before.current
    const grewAbove =
      firstId !== undefined && messages[0]?.id !== firstId && messages.some(({ id }) => id === firstId)
    if (isAtEnd.current) element.scrollTop = element.scrollHeight
    else if (grewAbove) element.scrollTop = top + element.scrollHeight - height
    before.current = {
      firstId: messages[0]?.id,
      height: element.scrollHeight,
      top: element.scrollTop,
    }
  }, [messages, parts])

  const toEnd = useCallback(() => {
    isAtEnd.current = true
    setAway(false)
    box.current?.scrollTo({ top: box.current.scrollHeight })
  }, [isAtEnd])

  return { box: box as RefObject<HTMLDivElement>, onScroll, isAway, toEnd }
}

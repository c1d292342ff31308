import { useEffect, useState } from 'react'

/** Whether what is there has been on the screen for a frame: the moment for what takes longer. */
export function useIsPainted(isThere: boolean): boolean {
  const [isPainted, setPainted] = useState(false)
  useEffect(() => {
    if (!isThere || isPainted) return undefined
    let isOver = false
    // In a tab that isn't looked at there are no frames, and no need to wait for one.
    const soon = document.visibilityState === 'visible' ? requestAnimationFrame : queueMicrotask
    soon(() => setTimeout(() => isOver || setPainted(true)))
    return () => {
      isOver = true
    }
  }, [isThere, isPainted])
  return isPainted
}

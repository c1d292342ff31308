import { memo, startTransition, useEffect, useState } from 'react'
import { isPlainText, plainElements } from './plain-text.js'

type Parts = typeof import('./markdown-tokens.js')

let parts: Parts | undefined
let isLoading = false
const listeners = new Set<() => void>()

/** Once. Without a network it may not be had: then texts stay as they are, and the next one tries again. */
function load(): void {
  if (isLoading) return
  isLoading = true
  import('./markdown-tokens.js')
    .then((loaded) => {
      parts = loaded
      // Bit by bit: a page of texts takes longer than nobody notices.
      startTransition(() => {
        for (const listener of [...listeners]) listener()
      })
    })
    .catch(() => {
      isLoading = false
    })
}

/** What reads Markdown; undefined until it was needed and has come. Whoever uses it changes then, all at the same moment. */
export function useMarkdownParts(): Parts | undefined {
  const [shown, setShown] = useState(parts)
  useEffect(() => {
    const listener = () => setShown(parts)
    listeners.add(listener)
    // It may have come before this listened.
    listener()
    return () => {
      listeners.delete(listener)
    }
  }, [])
  return shown
}

/** Shows a text as Markdown; until what reads that has come, and where the text has none of it, as it stands. */
export const Markdown = memo(({ text }: { readonly text: string }) => {
  const reader = useMarkdownParts()
  const isPlain = isPlainText(text)
  useEffect(() => {
    if (!isPlain && reader === undefined) load()
  }, [isPlain, reader])
  return (
    <div className="markdown">
      {isPlain || reader === undefined ? plainElements(text) : reader.markdownElements(text)}
    </div>
  )
})

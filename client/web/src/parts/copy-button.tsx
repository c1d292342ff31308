import { useState } from 'react'
import { Icon } from './icon.js'

/** Copies a text, and says that it did. Not there where the browser gives no clipboard, as on a page without TLS. */
export function CopyButton({
  text,
  label,
  hasWords = false,
}: {
  readonly text: string
  readonly label: string
  readonly hasWords?: boolean
}) {
  const [isCopied, setCopied] = useState(false)
  if (navigator.clipboard === undefined) return null
  async function copy() {
    await navigator.clipboard.writeText(text)
    setCopied(true)
    setTimeout(() => setCopied(false), 2_000)
  }
  return (
    <button
      type="button"
      className={hasWords ? 'button' : 'icon-button small'}
      aria-label={isCopied ? 'Copied' : label}
      onClick={() => void copy()}
    >
      <Icon name={isCopied ? 'check' : 'copy'} size={16} />
      {hasWords && <span>{isCopied ? 'Copied' : label}</span>}
    </button>
  )
}

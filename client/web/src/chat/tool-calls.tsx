import type { ToolCall } from '@onyx-sync/client'
import { Icon } from '../parts/icon.js'

const STATUS: Readonly<Record<string, string>> = { pending: 'running', completed: 'done', failed: 'failed' }

/** Calls of tools inside a message, folded. */
export function ToolCalls({ calls }: { readonly calls: readonly ToolCall[] }) {
  return calls.map((call) => (
    <details key={call.id} className="fold">
      <summary>
        <Icon name="tool" size={16} /> {call.name}
        <span className="fold-note">{STATUS[call.status] ?? String(call.status)}</span>
      </summary>
      <Json title="Asked with" value={call.args} />
      <Json title="Result" value={call.result} />
    </details>
  ))
}

function Json({ title, value }: { readonly title: string; readonly value: unknown }) {
  if (value === undefined) return null
  return (
    <>
      <p className="fold-title">{title}</p>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable from the keyboard */}
      <pre tabIndex={0}>{typeof value === 'string' ? value : JSON.stringify(value, undefined, 2)}</pre>
    </>
  )
}

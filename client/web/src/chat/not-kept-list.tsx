import type { Unkept } from '../device/keeping.js'
import { CopyButton } from '../parts/copy-button.js'
import { Icon } from '../parts/icon.js'

/** So much of a text is shown: enough to know it by. Characters. */
const SHOWN = 160

/** What was written and isn't in the browser's database yet, so that nobody takes it for kept, nor for lost. */
export function NotKeptList({ unkept }: { readonly unkept: readonly Unkept[] }) {
  return (
    <section className="not-kept" aria-label="Not kept yet">
      <p role="alert">
        <Icon name="warning" size={18} /> <strong>Not kept yet.</strong> It is in this page only, and lost
        when the page is closed; the bar above says what is in the way. It is tried again by itself.
      </p>
      <ul>
        {unkept.map((what) => (
          <li key={what.messageId}>
            <span>{what.text.length > SHOWN ? `${what.text.slice(0, SHOWN)}…` : what.text}</span>
            <CopyButton text={what.text} label="Copy this text" />
          </li>
        ))}
      </ul>
    </section>
  )
}

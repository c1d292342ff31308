import { Component, type ReactNode } from 'react'

/**
 * Catches what breaks while something is shown, such as where a translator or an extension has taken the page apart, and
 * offers to show it anew. What was written is in the database, or in the document that goes there: none of it was shown from
 * here.
 */
export class PageFault extends Component<{ readonly children: ReactNode }, { readonly error: unknown }> {
  override state = { error: undefined as unknown }

  static getDerivedStateFromError(error: unknown) {
    return { error: error ?? 'unknown' }
  }

  override render() {
    const { error } = this.state
    if (error === undefined) return this.props.children
    return (
      <main className="front" role="alert">
        <h1>The page broke</h1>
        <p>
          Something has changed it from outside, as a translator or an extension may, or we made a mistake.
          What you wrote is kept; only what was shown is gone.
        </p>
        <button type="button" className="button primary" onClick={() => this.setState({ error: undefined })}>
          Show it again
        </button>
        <details>
          <summary>Details</summary>
          <p>
            <code>{String(error)}</code>
          </p>
        </details>
      </main>
    )
  }
}

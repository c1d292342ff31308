/** A text as it is; what is longer scrolls, also from the keyboard. */
export function RawText({ label, text }: { readonly label: string; readonly text: string }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reached with the keyboard
    <section className="raw" aria-label={label} tabIndex={0}>
      <pre>{text}</pre>
    </section>
  )
}

import { type ReactNode, useId } from 'react'

/** A table with a caption, which scrolls by itself where it is wider than the page; also from the keyboard. */
export function DataTable({
  caption,
  heads,
  children,
}: {
  readonly caption: string
  readonly heads: readonly string[]
  /** Its rows. */
  readonly children: ReactNode
}) {
  const captionId = useId()
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reached with the keyboard
    <section className="table-scroll" aria-labelledby={captionId} tabIndex={0}>
      <table className="data">
        <caption id={captionId}>{caption}</caption>
        <thead>
          <tr>
            {heads.map((head) => (
              <th key={head} scope="col">
                {head}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>{children}</tbody>
      </table>
    </section>
  )
}

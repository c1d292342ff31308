import { Fragment, type ReactNode } from 'react'

/** A line in which nothing can be Markdown: it begins with a letter, ends without a space, and has no character that means something there. */
const PLAIN_LINE = /^(?!.* $)\p{L}[\p{L}\p{N} ,.;:'"?!()%…–—-]*$/u
/** A link even so. */
const BARE_LINK = /www\./i

/** Whether a text is the same as Markdown and as it stands, as most short ones are. */
export function isPlainText(text: string): boolean {
  return text.split('\n').every((line) => (line === '' || PLAIN_LINE.test(line)) && !BARE_LINK.test(line))
}

/** A text in paragraphs, with its lines as they are. */
export function plainElements(text: string): ReactNode[] {
  const paragraphs = text.split(/\n{2,}/).filter((paragraph) => paragraph.trim() !== '')
  return paragraphs.map((paragraph, place) => {
    const key = `${place}`
    return (
      <p key={key}>
        {paragraph
          .replace(/^\n|\n$/g, '')
          .split('\n')
          .map(line)}
      </p>
    )
  })
}

function line(text: string, index: number): ReactNode {
  const key = `${index}`
  return (
    <Fragment key={key}>
      {index > 0 && <br />}
      {text}
    </Fragment>
  )
}

import { lexer, type Token, type Tokens } from 'marked'
import { Fragment, type ReactNode } from 'react'
import { CopyButton } from '../parts/copy-button.js'

/** What a link may lead to. Anything else, such as `javascript:`, is shown as the text that it is. */
const SAFE_LINK = /^(https?:|mailto:)/i

const ENTITIES: Readonly<Record<string, string>> = {
  '&amp;': '&',
  '&lt;': '<',
  '&gt;': '>',
  '&quot;': '"',
  '&#39;': "'",
  '&nbsp;': '\u00a0',
}

/**
 * A text as Markdown. It is read into tokens and these become elements: no markup of the text ever reaches the page, and
 * HTML in it is shown as text. Pictures are links, because this page loads nothing from elsewhere.
 */
export function markdownElements(text: string): ReactNode[] {
  return blocks(lexer(text, { gfm: true, breaks: true }))
}

function blocks(tokens: readonly Token[]): ReactNode[] {
  return keyed(tokens, block)
}

function inlines(tokens: readonly Token[] | undefined): ReactNode[] {
  return keyed(tokens ?? [], inline)
}

/** Tokens have no ids; while a text grows they stay in their places. */
function keyed(tokens: readonly Token[], show: (token: Token) => ReactNode): ReactNode[] {
  return tokens.map((token, index) => {
    const key = `${index}`
    return <Fragment key={key}>{show(token)}</Fragment>
  })
}

function block(token: Token): ReactNode {
  switch (token.type) {
    case 'space':
    case 'def':
      return null
    case 'hr':
      return <hr />
    case 'heading':
      return <Heading depth={(token as Tokens.Heading).depth}>{inlines(token.tokens)}</Heading>
    case 'blockquote':
      return <blockquote>{blocks(token.tokens ?? [])}</blockquote>
    case 'list':
      return <List list={token as Tokens.List} />
    case 'code':
      return <Code text={token.text} language={(token as Tokens.Code).lang ?? ''} />
    case 'table':
      return <Table table={token as Tokens.Table} />
    case 'paragraph':
      return <p>{inlines(token.tokens)}</p>
    case 'text':
      return token.tokens === undefined ? decode(token.text) : inlines(token.tokens)
    default:
      return token.raw
  }
}

function inline(token: Token): ReactNode {
  switch (token.type) {
    case 'strong':
      return <strong>{inlines(token.tokens)}</strong>
    case 'em':
      return <em>{inlines(token.tokens)}</em>
    case 'del':
      return <del>{inlines(token.tokens)}</del>
    case 'codespan':
      return <code>{token.text}</code>
    case 'br':
      return <br />
    case 'link':
    case 'image':
      return (
        <Link href={token.href}>{token.type === 'image' ? `🖼 ${token.text}` : inlines(token.tokens)}</Link>
      )
    case 'checkbox':
      return null
    case 'escape':
      return token.text
    case 'text':
      return token.tokens === undefined ? decode(token.text) : inlines(token.tokens)
    default:
      return token.raw
  }
}

/** Entities are text, too; those that aren't known stay as they stand. */
function decode(text: string): string {
  return text.replaceAll(/&(?:amp|lt|gt|quot|#39|nbsp);/g, (entity) => ENTITIES[entity] ?? entity)
}

/** Below the title of the chat, which is the page's first heading. */
function Heading({ depth, children }: { readonly depth: number; readonly children: ReactNode }) {
  if (depth === 1) return <h3>{children}</h3>
  return depth === 2 ? <h4>{children}</h4> : <h5>{children}</h5>
}

function Link({ href, children }: { readonly href: string; readonly children: ReactNode }) {
  if (!SAFE_LINK.test(href)) return <span>{children}</span>
  return (
    <a href={href} target="_blank" rel="noopener noreferrer">
      {children}
    </a>
  )
}

function List({ list }: { readonly list: Tokens.List }) {
  const items = list.items.map((item, index) => {
    const key = `${index}`
    return (
      <li key={key} className={item.task ? 'task' : undefined}>
        {item.task && (
          <input
            type="checkbox"
            checked={item.checked === true}
            disabled
            aria-label={item.checked ? 'Done' : 'Open'}
          />
        )}
        {blocks(item.tokens)}
      </li>
    )
  })
  return list.ordered ? <ol start={Number(list.start) || 1}>{items}</ol> : <ul>{items}</ul>
}

function Code({ text, language }: { readonly text: string; readonly language: string }) {
  return (
    <div className="code">
      <div className="code-head">
        <span>{language.split(/\s/)[0] || 'code'}</span>
        <CopyButton text={text} label="Copy code" />
      </div>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable from the keyboard */}
      <pre tabIndex={0}>
        <code>{text}</code>
      </pre>
    </div>
  )
}

function Table({ table }: { readonly table: Tokens.Table }) {
  const cells = (row: readonly Tokens.TableCell[], isHead: boolean) =>
    row.map((cell, index) => {
      const key = `${index}`
      const content = inlines(cell.tokens)
      const align = cell.align ?? undefined
      return isHead ? (
        <th key={key} scope="col" data-align={align}>
          {content}
        </th>
      ) : (
        <td key={key} data-align={align}>
          {content}
        </td>
      )
    })
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable from the keyboard
    <div className="table" tabIndex={0}>
      <table>
        <thead>
          <tr>{cells(table.header, true)}</tr>
        </thead>
        <tbody>
          {table.rows.map((row, index) => {
            const key = `${index}`
            return <tr key={key}>{cells(row, false)}</tr>
          })}
        </tbody>
      </table>
    </div>
  )
}

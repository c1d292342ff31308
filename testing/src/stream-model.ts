import type { Attempt } from './attempt.js'

/** What must be there in the end of one message that is written bit by bit. */
export interface StreamModel {
  readonly account: string
  /** A piece of text is being added, behind those before. */
  pushing(token: string): void
  /** What was pushed so far. */
  readonly pushed: readonly string[]
  /** It is being ended. Returns: it is all there, and says so. */
  ending(status: string): Attempt
  /**
   * Its device is set back: what it was writing then it takes for interrupted, however that has ended since. Where that
   * isn't to a backup of its own, what it was writing now never comes to an end.
   */
  setBack(isSame: boolean): void
  /** What is wrong with it, given its text's pieces and its status as they were found. */
  check(found: { readonly tokens: readonly string[]; readonly status: string }, mayGoOn: boolean): string[]
}

export function createStreamModel(account: string): StreamModel {
  const pushed: string[] = []
  /** How it may have ended. One that nobody has ended is interrupted when its device is opened again. */
  const endings = new Set(['aborted'])
  let undeclinedEndings = 0

  return {
    account,
    pushed,
    pushing: (token) => void pushed.push(token),
    ending(status) {
      // The first one counts, also where the disk refused it: it is kept in memory.
      const isFirst = undeclinedEndings++ === 0
      if (isFirst) endings.add(status)
      return {
        returned() {
          if (isFirst && status !== 'aborted') endings.delete('aborted')
        },
        declined() {
          undeclinedEndings--
          if (isFirst && status !== 'aborted') endings.delete(status)
        },
      }
    },
    setBack(isSame) {
      endings.add('aborted')
      if (!isSame) endings.add('streaming')
    },
    check({ tokens, status }, mayGoOn) {
      const problems: string[] = []
      if (!endings.has(status) && !(mayGoOn && status === 'streaming'))
        problems.push(`is ${status}, not ${[...endings].join(' or ')}`)
      const found = tokens.filter((token) => pushed.includes(token)).join('')
      if (!pushed.join('').startsWith(found))
        problems.push(`holds ${found} of what was streamed: ${pushed.join('')}`)
      return problems
    },
  }
}

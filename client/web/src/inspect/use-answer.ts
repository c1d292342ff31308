import { useEffect, useState } from 'react'

/** What an asking came to. */
export type Answer<T> =
  | { readonly status: 'waiting' }
  | { readonly status: 'there'; readonly value: T }
  | { readonly status: 'failed'; readonly reason: string }

const WAITING = { status: 'waiting' } as const

/** Asks when it is shown, and again when `key` is another one. What an earlier asking brings is dropped. */
export function useAnswer<T>(ask: () => Promise<T>, key: string): Answer<T> {
  const [answer, setAnswer] = useState<Answer<T>>(WAITING)
  // biome-ignore lint/correctness/useExhaustiveDependencies: the key says what is asked
  useEffect(() => {
    let isOver = false
    setAnswer(WAITING)
    ask().then(
      (value) => isOver || setAnswer({ status: 'there', value }),
      (error) => isOver || setAnswer({ status: 'failed', reason: reasonOf(error) }),
    )
    return () => {
      isOver = true
    }
  }, [key])
  return answer
}

export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

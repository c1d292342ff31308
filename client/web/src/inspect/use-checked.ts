import { useEffect, useState } from 'react'
import { type CheckedEvent, checkEvent } from './check-event.js'

/** How long the page checks without letting anything else happen. Milliseconds. */
const SLICE_MS = 12

const NONE: readonly CheckedEvent[] = []

/** Checks events in slices, so that the page stays at hand. @returns those that are checked, in the given order */
export function useChecked(events: readonly unknown[]): readonly CheckedEvent[] {
  const [checked, setChecked] = useState(NONE)
  useEffect(() => {
    const done: CheckedEvent[] = []
    let timer: ReturnType<typeof setTimeout> | undefined

    function go(): void {
      const until = performance.now() + SLICE_MS
      while (done.length < events.length && performance.now() < until)
        done.push(checkEvent(events[done.length]))
      setChecked([...done])
      if (done.length < events.length) timer = setTimeout(go)
    }

    go()
    return () => clearTimeout(timer)
  }, [events])
  return checked
}

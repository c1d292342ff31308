const time = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' })
const day = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short' })
const full = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' })

/** A moment as a list shows it: the time of today, else the day. */
export function shortTime(ms: number, now = Date.now()): string {
  const isToday = new Date(ms).toDateString() === new Date(now).toDateString()
  return (isToday ? time : day).format(ms)
}

export function fullTime(ms: number): string {
  return full.format(ms)
}

/** "1 edit", "3 edits". */
export function counted(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`
}

/** A key as a person can compare it: its beginning and its end. */
export function shortKey(npub: string): string {
  return `${npub.slice(0, 12)}…${npub.slice(-6)}`
}

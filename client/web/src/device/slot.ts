/**
 * Which device this page is. One origin is one device, unless a page asks to be another one: the two of `/two` are
 * frames of one page, each with an account entry, a database and a network switch of its own.
 */
export interface Slot {
  /** Empty for the device of this browser, else `left` or `right`. */
  readonly name: string
  /** Behind the names of everything that is kept for it. */
  readonly suffix: string
  /** Whether it is shown in a frame of `/two`. */
  readonly isFrame: boolean
}

const FRAMES = ['left', 'right']

/** The slot that a page's address names, as in `/?device=left`; a name that isn't known names none. */
export function slotOf(search: string): Slot {
  const name = new URLSearchParams(search).get('device') ?? ''
  return FRAMES.includes(name) ? frameSlot(name) : { name: '', suffix: '', isFrame: false }
}

export function frameSlot(name: string): Slot {
  return { name, suffix: `.${name}`, isFrame: true }
}

/** How the page looks; kept on this device. `public/theme.js` reads it before anything is painted. */
export type Theme = 'system' | 'light' | 'dark'

import { keptValues } from '../device/kept-values.js'

const NAME = 'onyx-sync.theme'

export function theme(): Theme {
  const kept = keptValues.get(NAME)
  return kept === 'light' || kept === 'dark' ? kept : 'system'
}

export function setTheme(next: Theme): void {
  // Where the browser refuses it, it holds for as long as local storage has it.
  keptValues.set([NAME, next === 'system' ? undefined : next]).catch(() => {})
  showTheme()
}

/** Makes the page look as it is to look. */
export function showTheme(): void {
  const next = theme()
  if (next === 'system') delete document.documentElement.dataset.theme
  else document.documentElement.dataset.theme = next
}

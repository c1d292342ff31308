/** How the page looks; kept on this device. `public/theme.js` reads it before anything is painted. */
export type Theme = 'system' | 'light' | 'dark'

const NAME = 'onyx-sync.theme'

export function theme(): Theme {
  const kept = localStorage.getItem(NAME)
  return kept === 'light' || kept === 'dark' ? kept : 'system'
}

export function setTheme(next: Theme): void {
  if (next === 'system') {
    localStorage.removeItem(NAME)
    delete document.documentElement.dataset.theme
  } else {
    localStorage.setItem(NAME, next)
    document.documentElement.dataset.theme = next
  }
}

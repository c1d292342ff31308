// Before anything is painted, so that a page which is set to be dark is never light. Only its look is at stake.
try {
  const theme = localStorage.getItem('onyx-sync.theme')
  if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme
} catch {
  // Without storage the system decides; the page says what is missing.
}

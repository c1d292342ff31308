/** The name with its mark: two halves that come to one. */
export function Logo() {
  return (
    <p className="logo">
      <svg width="28" height="28" viewBox="0 0 32 32" aria-hidden="true" focusable="false">
        <rect className="logo-ground" width="32" height="32" rx="9" />
        <path className="logo-left" d="M14.500 8a8 8 0 0 0 0 16Z" />
        <path className="logo-right" d="M17.500 8a8 8 0 0 1 0 16Z" />
      </svg>
      <span>onyx-sync</span>
    </p>
  )
}

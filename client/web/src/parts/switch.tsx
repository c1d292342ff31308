/** Something that is on or off, and takes effect at once. */
export function Switch({
  label,
  isOn,
  onChange,
  isWide = false,
}: {
  readonly label: string
  readonly isOn: boolean
  readonly onChange: (isOn: boolean) => void
  readonly isWide?: boolean
}) {
  return (
    <button
      type="button"
      role="switch"
      aria-checked={isOn}
      className={isWide ? 'switch wide' : 'switch'}
      onClick={() => onChange(!isOn)}
    >
      <span>{label}</span>
      <span className="track" aria-hidden="true" />
    </button>
  )
}

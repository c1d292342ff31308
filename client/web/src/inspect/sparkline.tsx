/** Width and height of the drawing, in its own units. */
const SIZE = { width: 240, height: 56 }

/**
 * Numbers over time as one line, from 0 or the smallest below it, up to the largest. Where a number is missing the line has
 * a gap. `label` says it in words, for those who don't see it.
 */
export function Sparkline({
  values,
  label,
  most,
}: {
  readonly values: readonly (number | undefined)[]
  readonly label: string
  /** How many values are the whole width. */
  readonly most: number
}) {
  return (
    <svg
      className="sparkline"
      viewBox={`0 0 ${SIZE.width} ${SIZE.height}`}
      preserveAspectRatio="none"
      role="img"
      aria-label={label}
    >
      {linesOf(values, most).map((points) => (
        <polyline key={points} points={points} />
      ))}
    </svg>
  )
}

/** One line of points for each run of numbers. The newest value is at the right. */
export function linesOf(values: readonly (number | undefined)[], most: number): string[] {
  const known = values.filter((value) => value !== undefined)
  const top = Math.max(...known, 0)
  const bottom = Math.min(...known, 0)
  const step = SIZE.width / Math.max(1, most - 1)
  // A line of zeros is at the bottom, and half of its stroke inside.
  const toY = (value: number) =>
    SIZE.height - 1 - ((value - bottom) / (top - bottom || 1)) * (SIZE.height - 2)
  const lines: string[][] = [[]]
  values.forEach((value, index) => {
    const x = SIZE.width - (values.length - 1 - index) * step
    if (value === undefined) lines.push([])
    else lines.at(-1)?.push(`${round(x)},${round(toY(value))}`)
  })
  // One point alone is seen as a short line.
  return lines.flatMap((points) => {
    if (points.length === 0) return []
    return [(points.length === 1 ? [points[0], points[0]] : points).join(' ')]
  })
}

function round(value: number): number {
  return Math.round(value * 10) / 10
}

interface SparkProps {
  /** What is drawn, for who does not see it: `unsent`. */
  readonly label: string
  /** When, in milliseconds, and how much; oldest first. */
  readonly points: readonly (readonly [number, number])[]
  /** How a value is written; as it is when left out. */
  readonly say?: (value: number) => string
}

const WIDTH = 96
const HEIGHT = 20

/** A line without axes beside a figure: how it came to be what it is. From zero up, so that small noise looks small. */
export function Spark({ label, points, say = String }: SparkProps) {
  const [first, last] = [points[0], points.at(-1)]
  if (first === undefined || last === undefined || points.length < 2) return null
  const values = points.map(([, value]) => value)
  const most = Math.max(...values)
  const x = (at: number): number => (WIDTH * (at - first[0])) / Math.max(1, last[0] - first[0])
  const y = (value: number): number => HEIGHT - 1.5 - ((HEIGHT - 3) * value) / Math.max(most, 1e-9)
  const path = points.map(([at, value]) => `${x(at).toFixed(1)},${y(value).toFixed(1)}`).join(' ')
  const words = `${label}: from ${say(first[1])} to ${say(last[1])}, at most ${say(most)}`
  return (
    <svg
      class="spark"
      width={WIDTH}
      height={HEIGHT}
      viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
      role="img"
      aria-label={words}
    >
      <title>{words}</title>
      <polyline
        points={path}
        fill="none"
        stroke="var(--series-1)"
        stroke-width="1.5"
        stroke-linejoin="round"
      />
    </svg>
  )
}

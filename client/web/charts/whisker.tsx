/** Of a row: a mean with its interval, and the best, on a scale that all rows share. */
export interface Whisker {
  readonly mean: number | null
  readonly ci95: number | null
  readonly best: number | null
}

const WIDTH = 200
const EDGE = 5
const [MIDDLE, HEIGHT] = [8, 16]

/** The ends of a scale on which all of them lie; undefined when none has a value. */
export function scaleOf(all: readonly Whisker[]): readonly [number, number] | undefined {
  const ends = all.flatMap(({ mean, ci95, best }) => [
    ...(mean === null ? [] : [mean - (ci95 ?? 0), mean + (ci95 ?? 0)]),
    ...(best === null ? [] : [best]),
  ])
  return ends.length === 0 ? undefined : [Math.min(...ends), Math.max(...ends)]
}

interface WhiskerProps {
  readonly of: Whisker
  readonly scale: readonly [number, number]
  readonly width?: number
  /** A colour token, of all but the best. */
  readonly token?: string
}

/** A line for the interval, a dot for the mean, a tick for the best. The numbers stand beside it. */
export function WhiskerMark({
  of: { mean, ci95, best },
  scale: [low, high],
  width = WIDTH,
  token = 'series-1',
}: WhiskerProps) {
  const at = (value: number): number => EDGE + ((value - low) / (high - low || 1)) * (width - 2 * EDGE)
  return (
    <svg width={width} height={HEIGHT} aria-hidden="true">
      <line x1={EDGE} x2={width - EDGE} y1={MIDDLE} y2={MIDDLE} stroke="var(--line)" />
      {mean !== null && ci95 !== null && (
        <line
          x1={at(mean - ci95)}
          x2={at(mean + ci95)}
          y1={MIDDLE}
          y2={MIDDLE}
          stroke={`var(--${token})`}
          stroke-width="2"
        />
      )}
      {best !== null && (
        <line x1={at(best)} x2={at(best)} y1="1" y2={HEIGHT - 1} stroke="var(--champion)" stroke-width="2" />
      )}
      {mean !== null && <circle cx={at(mean)} cy={MIDDLE} r="3.5" fill={`var(--${token})`} />}
    </svg>
  )
}

import type { ComponentChildren } from 'preact'
import { useEffect, useRef } from 'preact/hooks'
import uPlot from 'uplot'
import { scheme } from '../theme.ts'
import { colour } from './colour.ts'
import { aligned } from './columns.ts'
import { Figure, type Twin } from './figure.tsx'

export interface Line {
  readonly label: string
  readonly points: readonly (readonly [number, number])[]
  /** A colour token. */
  readonly token: string
  readonly dash?: readonly number[]
  readonly width?: number
  /** Dots only, no line; or both. */
  readonly dots?: 'only' | 'too'
  /** One of many alike: the legend leaves it out. */
  readonly unnamed?: boolean
}

/** What lies between two lines, by their labels. */
interface Between {
  readonly label: string
  readonly low: string
  readonly high: string
  /** A colour token; drawn at a fifth of its strength. */
  readonly token: string
}

interface LineChartProps {
  readonly name: string
  readonly lines: readonly Line[]
  readonly between?: Between
  readonly x: string
  readonly y: string
  readonly height?: number
  readonly sentence: ComponentChildren
}

/** Lines over a common x axis, on uPlot. */
export function LineChart(props: LineChartProps) {
  const { name, lines, x, y, sentence } = props
  const place = useRef<HTMLDivElement>(null)
  const plot = useRef<uPlot>(null)
  const shape = lines.map(line => `${line.label} ${line.token}`).join('\n')
  // New data goes into the plot that is there; another shape needs another plot.
  useEffect(() => {
    const { current } = place
    if (current === null) return
    const made = new uPlot(optionsFor(props, current.clientWidth), aligned(lines), current)
    plot.current = made
    const resized = new ResizeObserver(() =>
      made.setSize({ width: current.clientWidth, height: heightOf(props) }),
    )
    resized.observe(current)
    return () => {
      resized.disconnect()
      made.destroy()
      plot.current = null
    }
  }, [shape, x, y, scheme.value])
  useEffect(() => plot.current?.setData(aligned(lines)), [lines])
  return (
    <Figure name={name} sentence={sentence} twin={() => twinOf(lines, x)}>
      <Legend {...props} />
      <div
        class="chart"
        ref={place}
        role="img"
        aria-label={`${y} over ${x}; the table below has the numbers`}
      />
    </Figure>
  )
}

function Legend({ lines, between }: LineChartProps) {
  return (
    <div class="row meta">
      {between !== undefined && (
        <span class="nowrap">
          <svg width="20" height="8" aria-hidden="true">
            <rect width="20" height="8" fill={`var(--${between.token})`} opacity={BETWEEN} />
          </svg>{' '}
          {between.label}
        </span>
      )}
      {lines
        .filter(line => line.width !== 0 && line.unnamed !== true)
        .map(line => (
          <span key={line.label} class="nowrap">
            <svg width="20" height="8" aria-hidden="true">
              <line
                x1="0"
                x2="20"
                y1="4"
                y2="4"
                stroke={`var(--${line.token})`}
                stroke-width={line.width ?? 1.5}
                stroke-dasharray={line.dash?.join(' ')}
              />
            </svg>{' '}
            {line.label}
          </span>
        ))}
    </div>
  )
}

const heightOf = ({ height = 220 }: LineChartProps): number => height

// What is counted along x (updates, experiments, percent) has no halves.
const WHOLE_STEPS = Array.from({ length: 10 }, (_, power) => [1, 2, 5].map(n => n * 10 ** power)).flat()

const isCounted = (lines: readonly Line[]): boolean =>
  lines.every(({ points }) => points.every(([at]) => at >= 1 || at === 0))

const BETWEEN = 0.2

function bandsOf({ between, lines }: LineChartProps): uPlot.Band[] {
  if (between === undefined) return []
  const seriesOf = (label: string): number => lines.findIndex(line => line.label === label) + 1
  const fill = colour(between.token).replace(/^rgb\((.*)\)$/, `rgba($1, ${BETWEEN})`)
  return [{ series: [seriesOf(between.high), seriesOf(between.low)], fill }]
}

function optionsFor(props: LineChartProps, width: number): uPlot.Options {
  const [ink, grid] = [colour('ink-3'), colour('line')]
  const axis = { stroke: ink, grid: { stroke: grid, width: 1 }, ticks: { stroke: grid, width: 1 } }
  return {
    width,
    height: heightOf(props),
    scales: { x: { time: false } },
    legend: { show: false },
    cursor: { drag: { x: true, y: false } },
    axes: [
      { ...axis, label: props.x, labelSize: 20, ...(isCounted(props.lines) ? { incrs: WHOLE_STEPS } : {}) },
      { ...axis, label: props.y, labelSize: 20, size: 56 },
    ],
    bands: bandsOf(props),
    series: [
      {},
      ...props.lines.map(line => ({
        label: line.label,
        stroke: colour(line.token),
        width: line.dots === 'only' ? 0 : (line.width ?? 1.5),
        spanGaps: true,
        points: {
          show: line.dots !== undefined,
          size: line.dots === 'too' ? 7 : 4,
          fill: colour(line.token),
        },
        ...(line.dash === undefined ? {} : { dash: [...line.dash] }),
      })),
    ],
  }
}

function twinOf(lines: readonly Line[], x: string): Twin {
  const [xs, ...columns] = aligned(lines)
  return {
    columns: [x, ...lines.map(line => line.label)],
    rows: [...xs].map((at, i) => [at, ...columns.map(column => column[i] ?? null)]),
  }
}

import { scaleLinear, scaleLog } from 'd3-scale'
import { xml } from './text.ts'

export const WIDTH = 720
export const HEIGHT = 400
const MARGIN = { top: 68, right: 24, bottom: 52, left: 96 }
export const PLOT = {
  left: MARGIN.left,
  right: WIDTH - MARGIN.right,
  top: MARGIN.top,
  bottom: HEIGHT - MARGIN.bottom,
}

// Colours of the pages, light and dark. A figure brings its own ground, so that it can be read on any.
const STYLE = `
text{font:13px system-ui,sans-serif;fill:#14201f;font-variant-numeric:tabular-nums}
.small{font-size:12px;fill:#4a5856}.head{font-size:15px;font-weight:600}
.ground{fill:#fbfbf8}.rule{stroke:#d9dedb;fill:none}.edge{stroke:#7c8a86;fill:none}
.one{stroke:#0b5fa5;fill:none;stroke-width:2}.dot{fill:#0b5fa5}.bar{fill:#0b5fa5}
.other{stroke:#62706d;fill:none;stroke-width:1;stroke-opacity:.45}.best{stroke:#ea6a09;fill:none;stroke-width:2.5}.bestdot{fill:#ea6a09}
@media (prefers-color-scheme:dark){text{fill:#e8eeec}.small{fill:#a9b6b3}.ground{fill:#0e1514}.rule{stroke:#2a3634}.edge{stroke:#5c6b68}
.one{stroke:#5fb0f2}.dot,.bar{fill:#5fb0f2}.other{stroke:#84928f}.best{stroke:#e8f04a}.bestdot{fill:#e8f04a}}`

export interface Axis {
  readonly label: string
  at(value: number): number
  readonly ticks: readonly { readonly at: number; readonly label: string }[]
}

/** A linear or logarithmic axis over these values; `from` and `to` are where it begins and ends in the figure. */
export function axis(
  label: string,
  values: readonly number[],
  { from, to, log = false, zero = false }: { from: number; to: number; log?: boolean; zero?: boolean },
): Axis {
  const all = zero ? [...values, 0] : values
  const [low, high] = all.reduce(([a, b], v) => [Math.min(a, v), Math.max(b, v)], [Infinity, -Infinity])
  const isLog = log && low > 0
  const ends = Number.isFinite(low) ? spread(low, high, isLog) : [0, 1]
  const scale = isLog ? scaleLog(ends, [from, to]) : scaleLinear(ends, [from, to]).nice()
  const format = scale.tickFormat(6)
  const ticks = scale.ticks(6).map(value => ({ at: scale(value), label: format(value) }))
  return { label, at: value => scale(value), ticks: ticks.filter(tick => tick.label !== '') }
}

// One value alone still needs two ends.
function spread(low: number, high: number, isLog: boolean): [number, number] {
  if (low < high) return isLog ? [low / 1.05, high * 1.05] : [low, high]
  return isLog
    ? [low / 2, low * 2]
    : [low - Math.max(1e-3, Math.abs(low) * 0.05), low + Math.max(1e-3, Math.abs(low) * 0.05)]
}

/** An axis of values without a scale, evenly placed; of many only some are labelled. */
export function bandAxis(
  label: string,
  values: readonly (string | number)[],
  { from, to }: { from: number; to: number },
): Axis {
  const step = (to - from) / Math.max(1, values.length)
  const every = Math.ceil(values.length / 8)
  return {
    label,
    at: i => from + (i + 0.5) * step,
    ticks: values.flatMap((value, i) =>
      i % every === 0 ? [{ at: from + (i + 0.5) * step, label: shortValue(value) }] : [],
    ),
  }
}

const LABEL_CHARS = 10
export function shortValue(value: string | number): string {
  const text = typeof value === 'number' ? String(Number(value.toPrecision(3))) : value
  return text.length <= LABEL_CHARS ? text : `${text.slice(0, LABEL_CHARS - 1)}…`
}

interface Figure {
  readonly title: string
  /** One sentence that says what it shows, for whoever cannot see it. */
  readonly says: string
  readonly x: Axis | null
  readonly y: Axis | null
  readonly marks: readonly string[]
}

/** A figure in its frame: ground, title, axes with grid, marks. */
export function figure({ title, says, x, y, marks }: Figure): string {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${HEIGHT}" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-labelledby="t d">`,
    `<title id="t">${xml(title)}</title><desc id="d">${xml(says)}</desc><style>${STYLE}</style>`,
    `<rect class="ground" width="${WIDTH}" height="${HEIGHT}"/>`,
    label({ x: 16, y: 24, text: title, className: 'head' }),
    ...(y === null ? [] : yAxis(y)),
    ...(x === null ? [] : xAxis(x)),
    ...marks,
    '</svg>\n',
  ].join('\n')
}

const xAxis = ({ label: text, ticks }: Axis): string[] => [
  line({ x1: PLOT.left, y1: PLOT.bottom, x2: PLOT.right, y2: PLOT.bottom, className: 'edge' }),
  ...ticks.flatMap(tick => [
    line({ x1: tick.at, y1: PLOT.bottom, x2: tick.at, y2: PLOT.bottom + 4, className: 'edge' }),
    label({ x: tick.at, y: PLOT.bottom + 18, text: tick.label, className: 'small', anchor: 'middle' }),
  ]),
  label({ x: PLOT.right, y: HEIGHT - 12, text, className: 'small', anchor: 'end' }),
]

const yAxis = ({ label: text, ticks }: Axis): string[] => [
  ...ticks.flatMap(tick => [
    line({ x1: PLOT.left, y1: tick.at, x2: PLOT.right, y2: tick.at, className: 'rule' }),
    label({ x: PLOT.left - 8, y: tick.at + 4, text: tick.label, className: 'small', anchor: 'end' }),
  ]),
  label({ x: 16, y: 48, text, className: 'small' }),
]

const fixed = (value: number): string => String(Number(value.toFixed(1)))

interface Label {
  readonly x: number
  readonly y: number
  readonly text: string
  readonly className?: string
  readonly anchor?: 'start' | 'middle' | 'end'
  readonly fill?: string
}

export const label = ({ x, y, text, className, anchor = 'start', fill }: Label): string =>
  `<text x="${fixed(x)}" y="${fixed(y)}"${className === undefined ? '' : ` class="${className}"`}${anchor === 'start' ? '' : ` text-anchor="${anchor}"`}${fill === undefined ? '' : ` style="fill:${fill}"`}>${xml(text)}</text>`

interface Line {
  readonly x1: number
  readonly y1: number
  readonly x2: number
  readonly y2: number
  readonly className: string
}

export const line = ({ x1, y1, x2, y2, className }: Line): string =>
  `<line class="${className}" x1="${fixed(x1)}" y1="${fixed(y1)}" x2="${fixed(x2)}" y2="${fixed(y2)}"/>`

export const path = (points: readonly (readonly [number, number])[], className: string): string =>
  `<path class="${className}" d="${points.map(([x, y], i) => `${i === 0 ? 'M' : 'L'}${fixed(x)} ${fixed(y)}`).join('')}"/>`

export const dot = (x: number, y: number, className: string): string =>
  `<circle class="${className}" cx="${fixed(x)}" cy="${fixed(y)}" r="4"/>`

interface Box {
  readonly x: number
  readonly y: number
  readonly width: number
  readonly height: number
}

export const box = ({ x, y, width, height }: Box, how: { className?: string; fill?: string }): string =>
  `<rect${how.className === undefined ? '' : ` class="${how.className}"`} x="${fixed(x)}" y="${fixed(y)}" width="${fixed(Math.max(0, width))}" height="${fixed(Math.max(0, height))}"${how.fill === undefined ? '' : ` fill="${how.fill}"`}/>`

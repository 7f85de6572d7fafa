import type { AnalysisView } from '#protocol/analysis.ts'
import { number } from './numbers.ts'
import { axis, bandAxis, box, dot, figure, label, line, PLOT, path, shortValue } from './svg.ts'

/** A figure as a file, and the sentence that says what it shows. */
export interface FigureFile {
  readonly name: string
  readonly title: string
  readonly says: string
  readonly svg: string
}

type View<Part extends keyof AnalysisView> = NonNullable<AnalysisView[Part]>
type Metric = AnalysisView['metric']

const X = { from: PLOT.left, to: PLOT.right }
const Y = { from: PLOT.bottom, to: PLOT.top }

const made = (name: string, about: Parameters<typeof figure>[0]): FigureFile => ({
  ...{ name, title: about.title, says: about.says },
  svg: figure(about),
})

export function bestSoFarFigure({ steps, n }: View<'bestSoFar'>, { name }: Metric): FigureFile | undefined {
  const last = steps.at(-1)
  if (last === undefined) return undefined
  const x = axis('experiments finished', [1, n], X)
  const y = axis(
    name,
    steps.map(({ value }) => value),
    Y,
  )
  type Corner = readonly [number, number]
  const corners = steps.flatMap(({ finished, value }, i): Corner[] => {
    const before = steps[i - 1]
    const up: Corner = [x.at(finished), y.at(before?.value ?? value)]
    return [up, [x.at(finished), y.at(value)]]
  })
  return made('best-so-far.svg', {
    ...{ title: 'Best so far', x, y },
    says: `The best ${name} fell to ${number(last.value)} at experiment ${last.finished} of ${n}.`,
    marks: [
      path([...corners, [x.at(n), y.at(last.value)]], 'one'),
      ...steps.map(({ finished, value }) =>
        dot(x.at(finished), y.at(value), finished === last.finished ? 'bestdot' : 'dot'),
      ),
    ],
  })
}

const BARS_MAX = 12

export function importanceFigure({ parameters, n }: View<'importance'>): FigureFile | undefined {
  const [first] = parameters ?? []
  if (parameters === null || first === undefined) return undefined
  const shown = parameters.slice(0, BARS_MAX)
  const left = PLOT.left + 90
  const step = (PLOT.bottom - PLOT.top) / shown.length
  const scale = (PLOT.right - 60 - left) / Math.max(first.share, 1e-9)
  return made('importance.svg', {
    ...{ title: 'What mattered: share of importance (PED-ANOVA)', x: null, y: null },
    says: `${first.name} explains most of what tells the best quarter of ${n} experiments from all: ${first.share.toFixed(2)}.`,
    marks: shown.flatMap(({ name, share }, i) => {
      const y = PLOT.top + i * step
      return [
        label({ x: left - 8, y: y + step / 2 + 4, text: name, anchor: 'end' }),
        box({ x: left, y: y + step * 0.15, width: share * scale, height: step * 0.7 }, { className: 'bar' }),
        label({
          x: left + share * scale + 6,
          y: y + step / 2 + 4,
          text: share.toFixed(2),
          className: 'small',
        }),
      ]
    }),
  })
}

export function sliceFigure(
  { name, bins }: View<'slices'>['parameters'][number],
  metric: Metric,
): FigureFile | undefined {
  const seen = bins.filter(bin => bin.n > 0)
  const best = seen.toSorted((a, b) => order(metric, a.mean, b.mean))[0]
  if (best === undefined) return undefined
  const x = bandAxis(
    name,
    bins.map(({ value }) => value),
    X,
  )
  // Wide intervals of two experiments would flatten all else: an interval is drawn as far as the values go.
  const values = seen.flatMap(({ mean, best: top }) => [mean ?? 0, top ?? 0])
  const [low, high] = [Math.min(...values), Math.max(...values)]
  const room = Math.max((high - low) * 0.5, 1e-6)
  const y = axis(metric.name, [low - room, high + room], Y)
  const clamp = (at: number): number => Math.min(PLOT.bottom, Math.max(PLOT.top, at))
  const marks = bins.flatMap((bin, i) => {
    if (bin.mean === null || bin.best === null) return []
    const [at, middle, half] = [x.at(i), y.at(bin.mean), bin.ci95 ?? 0]
    const bar = line({
      x1: at,
      x2: at,
      y1: clamp(y.at(bin.mean - half)),
      y2: clamp(y.at(bin.mean + half)),
      className: 'one',
    })
    return [
      ...(half > 0 ? [bar] : []),
      dot(at, middle, 'dot'),
      line({ x1: at - 6, x2: at + 6, y1: y.at(bin.best), y2: y.at(bin.best), className: 'best' }),
      label({ x: at, y: PLOT.top - 6, text: String(bin.n), className: 'small', anchor: 'middle' }),
    ]
  })
  return made(`slice-${name}.svg`, {
    ...{ title: `${metric.name} by ${name}: mean ± 95 % and best, n above`, x, y, marks },
    says: `The mean is best at ${name} = ${shortValue(best.value)}: ${number(best.mean)} over ${best.n} experiments.`,
  })
}

const order = ({ goal }: Metric, a: number | null, b: number | null): number =>
  (goal === 'minimize' ? 1 : -1) * ((a ?? 0) - (b ?? 0))

// Cividis (Nuñez, Anderton and Renslow 2018) at six places, the best brightest: its lightness grows evenly for every kind of sight.
const SHADES = ['#fee838', '#c8b866', '#948e77', '#666970', '#35456c', '#00224e']
const shadeOf = (share: number): number =>
  Math.min(SHADES.length - 1, Math.max(0, Math.floor(share * SHADES.length)))

export function contourFigure(contour: View<'contour'>, metric: Metric): FigureFile | undefined {
  const { x, y, cells, n } = contour
  const estimates = cells.flatMap(({ estimate }) => (estimate === null ? [] : [estimate]))
  if (estimates.length === 0) return undefined
  const [low, high] = [Math.min(...estimates), Math.max(...estimates)]
  const share = (estimate: number): number => {
    const from = high > low ? (estimate - low) / (high - low) : 0
    return metric.goal === 'minimize' ? from : 1 - from
  }
  const bottom = PLOT.bottom - 24
  const xs = bandAxis(`${x.name} →`, x.values, X)
  const ys = bandAxis(y.name, y.values, { from: bottom, to: PLOT.top })
  const width = (PLOT.right - PLOT.left) / x.values.length
  const height = (bottom - PLOT.top) / y.values.length
  const marks = cells.flatMap(({ n: count, estimate }, i) => {
    if (estimate === null) return []
    const [column, row] = [i % x.values.length, Math.floor(i / x.values.length)]
    const [cx, cy] = [xs.at(column), ys.at(row)]
    const shade = shadeOf(share(estimate))
    return [
      box(
        { x: cx - width / 2 + 0.5, y: cy - height / 2 + 0.5, width: width - 1, height: height - 1 },
        { fill: SHADES[shade] ?? '' },
      ),
      ...(count > 0 && width >= 18 && height >= 12
        ? [
            label({
              x: cx,
              y: cy + 4,
              text: String(count),
              anchor: 'middle',
              fill: shade < 3 ? '#14201f' : '#e8eeec',
            }),
          ]
        : []),
    ]
  })
  const better = metric.goal === 'minimize' ? low : high
  const worse = metric.goal === 'minimize' ? high : low
  return made('contour.svg', {
    title: `${metric.name} over ${x.name} and ${y.name}: estimates, n in the cells`,
    ...{ x: { ...xs, ticks: xs.ticks }, y: ys },
    says: `Brighter is better, from ${number(worse)} to ${number(better)}; ${n} experiments, cells without a number are interpolated.`,
    marks: [
      ...marks,
      ...SHADES.map((fill, i) =>
        box({ x: PLOT.left + 24 * i, y: PLOT.bottom - 14, width: 24, height: 10 }, { fill }),
      ),
      label({
        x: PLOT.left + 24 * SHADES.length + 8,
        y: PLOT.bottom - 5,
        text: `${number(better)} … ${number(worse)}`,
        className: 'small',
      }),
    ],
  })
}

export function curvesFigure({ curves, n }: View<'curves'>, metric: Metric): FigureFile | undefined {
  const drawn = curves.flatMap(({ rank, points }) => {
    const known = points.flatMap(({ fuel, val, train }) => {
      const loss = val ?? train
      return loss === null ? [] : [{ fuel, loss }]
    })
    return known.length > 1 ? [{ rank, known }] : []
  })
  const best = drawn.find(({ rank }) => rank === 1)
  if (drawn.length === 0) return undefined
  const x = axis('share of the budget spent', [0, 1], X)
  const y = axis(
    'loss',
    drawn.flatMap(({ known }) => known.map(({ loss }) => loss)),
    { ...Y, log: true },
  )
  const draw = ({ known }: (typeof drawn)[number], className: string): string =>
    path(
      known.map(({ fuel, loss }): [number, number] => [x.at(fuel), y.at(loss)]),
      className,
    )
  return made('curves.svg', {
    ...{
      title: `Learning curves: the best of ${n}, and ${drawn.length - (best === undefined ? 0 : 1)} others`,
      x,
      y,
    },
    says: `Loss by the share of the budget; the thick line is the best experiment by ${metric.name}.`,
    marks: [
      ...drawn.filter(each => each !== best).map(each => draw(each, 'other')),
      ...(best === undefined ? [] : [draw(best, 'best')]),
    ],
  })
}

export function paretoFigure({ rows, n }: View<'pareto'>, metric: Metric): FigureFile | undefined {
  const sized = rows.flatMap(({ value, parameters }) => (parameters === null ? [] : [{ value, parameters }]))
  if (sized.length < 2) return undefined
  const x = axis(
    'parameters',
    sized.map(({ parameters }) => parameters),
    { ...X, log: true },
  )
  const y = axis(
    metric.name,
    sized.map(({ value }) => value.mean),
    Y,
  )
  return made('pareto.svg', {
    ...{ title: `What size costs: the front of ${metric.name}, parameters and fuel`, x, y },
    says: `${rows.length} of ${n} experiments are beaten by no other in ${metric.name}, parameters and fuel at once.`,
    marks: sized.map(({ value, parameters }, i) =>
      dot(x.at(parameters), y.at(value.mean), i === 0 ? 'bestdot' : 'dot'),
    ),
  })
}

export function residualsFigure({ bins, n, sd }: View<'residuals'>): FigureFile | undefined {
  const [first, last] = [bins[0], bins.at(-1)]
  if (first === undefined || last === undefined || sd === null) return undefined
  const x = axis('residual', [first.from, last.to], X)
  const y = axis(
    'runs',
    bins.map(bin => bin.n),
    { ...Y, zero: true },
  )
  return made('residuals.svg', {
    ...{ title: 'Noise: what is left when experiment and seed are accounted for', x, y },
    says: `${n} runs scatter with a standard deviation of ${number(sd)}.`,
    marks: bins.map(bin => {
      const [left, right, top] = [x.at(bin.from), x.at(bin.to), y.at(bin.n)]
      return box(
        { x: left + 0.5, y: top, width: right - left - 1, height: PLOT.bottom - top },
        { className: 'bar' },
      )
    }),
  })
}

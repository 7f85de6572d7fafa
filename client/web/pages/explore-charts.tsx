import type { ExploreView } from '#protocol/explore.ts'
import { Figure } from '../charts/figure.tsx'
import { depthsOf, HeatMap } from '../charts/heat.tsx'
import { type Line, LineChart } from '../charts/line.tsx'
import { metric as metricText, setting } from '../format.ts'
import { query, setQuery } from '../router.ts'
import { Empty } from '../ui/parts.tsx'
import { type Groups, groupFields, groupsTwin, parametersOf, showOf } from './explore-rows.ts'

/** Single runs by a parameter. */
export function Scatter({ of: { runs, metric, fields } }: { of: ExploreView }) {
  if (runs === null) return <Empty>Points are single runs: leave out “group by”.</Empty>
  const numeric = parametersOf(runs).filter(name => runs.some(run => typeof run.recipe[name] === 'number'))
  const x = numeric.find(name => name === query.value.get('x')) ?? numeric[0]
  if (x === undefined) return <Empty>No parameter of these runs is a number.</Empty>
  const points = runs.flatMap(({ recipe, metric: value }): [number, number][] => {
    const at = recipe[x]
    return typeof at === 'number' && value !== null ? [[at, value]] : []
  })
  return (
    <>
      <label class="row">
        x
        <select value={x} onChange={event => setQuery({ x: event.currentTarget.value })}>
          {numeric.map(name => (
            <option key={name}>{name}</option>
          ))}
        </select>
      </label>
      <LineChart
        name="scatter"
        x={x}
        y={metric.name}
        height={360}
        lines={[{ label: `${metric.name} of a run`, points, token: 'series-1', dots: 'only' }]}
        sentence={`${points.length} runs by ${x}; ${runs.length - points.length} without a metric or ${x} are not drawn. ${fields.length} fields can be asked for.`}
      />
    </>
  )
}

const LINES_MAX = 6

/** Groups along their first field, a line for each value of the second. */
export function Lines({ of: { groups, metric } }: { of: ExploreView }) {
  if (groups === null)
    return <Empty>Lines go through groups: fill in “group by”, the first field along x.</Empty>
  const show = showOf()
  const [x = '', by] = groupFields()
  const numeric = groups.filter(group => typeof group.key[0] === 'number')
  const names = [...new Set(numeric.map(group => String(group.key[1] ?? '')))]
  const lines = names.slice(0, LINES_MAX).map(
    (name, i): Line => ({
      label: by === undefined ? show : `${by} ${name}`,
      token: `series-${i + 1}`,
      points: numeric.flatMap(group => {
        const [at, value] = [group.key[0], group[show]]
        return String(group.key[1] ?? '') === name && typeof at === 'number' && value !== null
          ? [[at, value] as const]
          : []
      }),
    }),
  )
  if (lines.length === 0) return <Empty>{x} is no number: a table shows it.</Empty>
  const left = names.length > LINES_MAX ? `, ${names.length - LINES_MAX} more are in the table` : ''
  return (
    <LineChart
      name="lines"
      x={x}
      y={show === 'n' ? 'runs' : `${show} ${metric.name}`}
      height={320}
      lines={lines}
      sentence={`${show} of ${metric.name} by ${x}${by === undefined ? '' : ` for each ${by}`}${left}.`}
    />
  )
}

/** Groups of two fields as a grid; the values stand in it. */
export function Heat({ of: { groups, metric } }: { of: ExploreView }) {
  const [first = '', second] = groupFields()
  if (groups === null || second === undefined)
    return <Empty>A heat map has two fields: “group by” lr:log8,depth, for example.</Empty>
  const show = showOf()
  const values = groups.flatMap(group => (group[show] === null ? [] : [group[show]]))
  const depth = depthsOf(values, 'greatest')
  const [rows, columns] = [keysOf(groups, 0), keysOf(groups, 1)]
  const at = new Map(groups.map(group => [JSON.stringify(group.key), group]))
  const sentence = `${show} of ${metric.name}: the deeper the colour the larger, from ${metricText(Math.min(...values))} to ${metricText(Math.max(...values))}.`
  return (
    <Figure name="heat" sentence={sentence} twin={() => groupsTwin(groups)}>
      <HeatMap
        label={`${first} by ${second}`}
        names={[second, first]}
        columns={columns.map(setting)}
        rows={rows.map(setting)}
        cell={(column, row) => {
          const group = at.get(JSON.stringify([rows[row], columns[column]]))
          const value = group?.[show] ?? null
          return {
            text: value === null ? '' : show === 'n' ? String(value) : metricText(value),
            depth: depth(value),
            title: `n ${group?.n ?? 0}`,
          }
        }}
      />
    </Figure>
  )
}

const keysOf = (groups: Groups, i: number): (string | number | null)[] => [
  ...new Set(groups.map(group => group.key[i] ?? null)),
]

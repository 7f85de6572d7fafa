import type { AnalysisView } from '#protocol/analysis.ts'
import type { CampaignView } from '#protocol/campaign.ts'
import type { InteractionView } from '#protocol/interaction.ts'
import type { RevisionView } from '#protocol/revisions.ts'
import { Figure } from '../charts/figure.tsx'
import { depthsOf, HeatMap } from '../charts/heat.tsx'
import { get, useResource } from '../data.ts'
import { metric, setting } from '../format.ts'
import { useLive } from '../live.ts'
import { query, setQuery } from '../router.ts'
import { Empty, Shown } from '../ui/parts.tsx'
import { InteractionAnswer } from './campaign-interaction.tsx'

interface TabProps {
  readonly campaign: CampaignView
}

/** Two parameters together: where the good values are, and whether the best of one depends on the other. */
export function HeatTab({ campaign }: TabProps) {
  const { id, revision, varies } = campaign
  const file = useResource(`file ${id} ${revision}`, () =>
    get<RevisionView>(`/campaigns/${id}/revisions/latest`),
  )
  return (
    <Shown from={file} what="the space">
      {({ file: { interaction } }) =>
        varies.length < 2 ? (
          <Empty>This campaign varies fewer than two parameters: its slices show them.</Empty>
        ) : (
          <Pair campaign={campaign} names={varies} asked={interaction} />
        )
      }
    </Shown>
  )
}

interface PairProps extends TabProps {
  readonly names: readonly string[]
  /** The pair that the file asks about. */
  readonly asked: { readonly best: string; readonly by: string } | undefined
}

function Pair({ campaign, names, asked }: PairProps) {
  const { id } = campaign
  const chosen = (key: string): string | undefined => names.find(name => name === query.value.get(key))
  const [x, y] = [chosen('x') ?? asked?.by, chosen('y') ?? asked?.best]
  // Without a choice the server takes the two that matter most.
  const words = [x === undefined ? '' : `&x=${x}`, y === undefined || y === x ? '' : `&y=${y}`].join('')
  const contour = useLive(
    `contour ${id}${words}`,
    () => get<AnalysisView>(`/campaigns/${id}/analysis?part=contour${words}`),
    { topics: [`campaign:${id}`] },
  )
  return (
    <Shown from={contour} what="the heat map">
      {view =>
        view.contour == null || view.contour.n === 0 ? (
          <Empty>No finished experiment yet.</Empty>
        ) : (
          <>
            <Choices names={names} x={view.contour.x.name} y={view.contour.y.name} />
            <Contour of={view.contour} metric={view.metric} />
            <Interaction id={id} best={view.contour.y.name} by={view.contour.x.name} />
          </>
        )
      }
    </Shown>
  )
}

/** Choosing what the other axis shows exchanges the two. */
function Choices({ names, x, y }: { names: readonly string[]; x: string; y: string }) {
  const choose = (axis: 'x' | 'y', name: string): void => {
    const next = { x, y, [axis]: name }
    setQuery(next.x === next.y ? { x: y, y: x } : next)
  }
  return (
    <p class="row">
      {(['x', 'y'] as const).map(axis => (
        <label key={axis} class="row">
          {axis === 'x' ? 'across' : 'upwards'}
          <select value={axis === 'x' ? x : y} onChange={event => choose(axis, event.currentTarget.value)}>
            {names.map(name => (
              <option key={name}>{name}</option>
            ))}
          </select>
        </label>
      ))}
    </p>
  )
}

interface ContourProps {
  readonly of: NonNullable<AnalysisView['contour']>
  readonly metric: AnalysisView['metric']
}

function Contour({ of: { x, y, cells, n }, metric: { name, goal } }: ContourProps) {
  const depth = depthsOf(
    cells.map(cell => cell.mean ?? cell.estimate),
    goal === 'minimize' ? 'least' : 'greatest',
  )
  const width = x.values.length
  const rows = y.values.map((_, i) => y.values.length - 1 - i) // upwards
  const cellAt = (column: number, row: number) => cells[(rows[row] ?? 0) * width + column]
  return (
    <Figure
      name={`heat-${x.name}-${y.name}`}
      sentence={`${name} over ${x.name} and ${y.name}, the mean of the experiments in each cell, n=${n}: the deeper the colour the better. ≈ is estimated from the cells around.`}
      twin={() => ({
        columns: [x.name, y.name, 'n', 'mean', 'best', 'estimate'],
        rows: cells.map((cell, i) => [
          ...[x.values[i % width] ?? null, y.values[Math.floor(i / width)] ?? null],
          ...[cell.n, cell.mean, cell.best, cell.estimate],
        ]),
      })}
    >
      <HeatMap
        label={`${name} over ${x.name} and ${y.name}`}
        names={[x.name, y.name]}
        columns={x.values.map(setting)}
        rows={rows.map(row => setting(y.values[row]))}
        cell={(column, row) => {
          const cell = cellAt(column, row)
          const value = cell?.mean ?? cell?.estimate ?? null
          const isSeen = cell !== undefined && cell.n > 0
          return {
            text: value === null ? '' : `${isSeen ? '' : '≈'}${metric(value)}`,
            depth: depth(value),
            title: isSeen ? `n=${cell.n}, best ${metric(cell.best)}` : 'nothing was tried here',
          }
        }}
      />
    </Figure>
  )
}

function Interaction({ id, best, by }: { id: string; best: string; by: string }) {
  const found = useLive(
    `interaction ${id} ${best} ${by}`,
    () => get<InteractionView>(`/campaigns/${id}/interaction?best=${best}&by=${by}`),
    { topics: [`campaign:${id}`] },
  )
  return (
    <section>
      <h2>
        Does the best {best} depend on {by}?
      </h2>
      <Shown from={found} what="the answer">
        {view => <InteractionAnswer of={view} />}
      </Shown>
    </section>
  )
}

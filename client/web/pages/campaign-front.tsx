import type { AnalysisView } from '#protocol/analysis.ts'
import type { CampaignView } from '#protocol/campaign.ts'
import { LineChart } from '../charts/line.tsx'
import { get } from '../data.ts'
import { interval, metric, whole } from '../format.ts'
import { useLive } from '../live.ts'
import { query, setQuery } from '../router.ts'
import { Empty, Shown } from '../ui/parts.tsx'
import { Table } from '../ui/table.tsx'

type Pareto = NonNullable<AnalysisView['pareto']>
type PriceOf = (row: Pareto['rows'][number]) => number | null

/** What a value costs, by the name that the address has for it. */
const PRICES: Readonly<Record<string, { readonly title: string; readonly of: PriceOf }>> = {
  parameters: { title: 'parameters', of: row => row.parameters },
  fuel: { title: 'fuel of a run, Ginstructions', of: row => (row.fuel === null ? null : row.fuel / 1e9) },
}

/** Experiments that no other beats in everything: what is good, small and cheap. */
export function Front({ campaign: { id, metric: measured } }: { campaign: CampaignView }) {
  const analysis = useLive(`pareto ${id}`, () => get<AnalysisView>(`/campaigns/${id}/analysis?part=pareto`), {
    topics: [`campaign:${id}`],
  })
  return (
    <Shown from={analysis} what="the front">
      {({ pareto }) =>
        pareto === undefined || pareto.rows.length === 0 ? (
          <Empty>No finished experiment yet.</Empty>
        ) : (
          <>
            <Plot of={pareto} metricName={measured.name} />
            <Rows of={pareto} metricName={measured.name} />
          </>
        )
      }
    </Shown>
  )
}

interface FrontProps {
  readonly of: Pareto
  readonly metricName: string
}

function Plot({ of: { rows, n, leftOut }, metricName }: FrontProps) {
  const [name, price] = Object.entries(PRICES).find(([key]) => key === query.value.get('price')) ?? [
    'parameters',
    PRICES.parameters,
  ]
  const points = rows.flatMap((row): [number, number][] => {
    const at = price?.of(row) ?? null
    return at === null ? [] : [[at, row.value.mean]]
  })
  const more = leftOut === 0 ? '' : ` ${whole(leftOut)} more are left out.`
  return (
    <>
      <label class="row">
        against
        <select value={name} onChange={event => setQuery({ price: event.currentTarget.value })}>
          {Object.entries(PRICES).map(([key, { title }]) => (
            <option key={key} value={key}>
              {title}
            </option>
          ))}
        </select>
      </label>
      {points.length === 0 ? (
        <Empty>The kernel counts no {name}.</Empty>
      ) : (
        <LineChart
          name="front"
          x={price?.title ?? name}
          y={metricName}
          height={320}
          lines={[{ label: 'not beaten in everything', points, token: 'champion', width: 1, dots: 'too' }]}
          sentence={`${whole(rows.length)} of ${whole(n)} experiments are on the front: no other is as good in ${metricName}, parameters and fuel at once.${more}`}
        />
      )}
    </>
  )
}

const Rows = ({ of: { rows }, metricName }: FrontProps) => (
  <Table
    label="The front"
    columns={[metricName, 'n', 'parameters', 'fuel, Ginstructions'].map(name => ({ name, isNumber: true }))}
    rows={rows.map(row => ({
      key: row.experimentId,
      cells: [
        <a key="e" href={`/e/${row.experimentId}`}>
          {interval(row.value)}
        </a>,
        row.value.n,
        row.parameters === null ? '—' : whole(row.parameters),
        row.fuel === null ? '—' : metric(row.fuel / 1e9),
      ],
    }))}
  />
)

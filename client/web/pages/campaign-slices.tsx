import type { AnalysisView } from '#protocol/analysis.ts'
import type { CampaignView } from '#protocol/campaign.ts'
import { Figure } from '../charts/figure.tsx'
import { scaleOf, WhiskerMark } from '../charts/whisker.tsx'
import { get } from '../data.ts'
import { interval, metric, setting } from '../format.ts'
import { useLive } from '../live.ts'
import { Empty, Shown } from '../ui/parts.tsx'
import { Table } from '../ui/table.tsx'

type Slice = NonNullable<AnalysisView['slices']>['parameters'][number]

/** Each parameter by itself: where in its range the good values are. */
export function Slices({ campaign: { id, metric: measured } }: { campaign: CampaignView }) {
  const analysis = useLive(
    `slices ${id}`,
    () => get<AnalysisView>(`/campaigns/${id}/analysis?part=slices,importance`),
    { topics: [`campaign:${id}`] },
  )
  return (
    <Shown from={analysis} what="the slices">
      {({ slices, importance }) => {
        if (slices === undefined || slices.n === 0) return <Empty>No finished experiment yet.</Empty>
        const order = importance?.parameters?.map(({ name }) => name) ?? []
        const sorted = [...slices.parameters].sort((a, b) => order.indexOf(a.name) - order.indexOf(b.name))
        // One scale for all: how much a parameter matters is seen by comparing.
        const scale = scaleOf(slices.parameters.flatMap(({ bins }) => bins)) ?? [0, 1]
        return (
          <>
            <p class="dim">
              Each dot is a mean over experiments, whatever their other parameters were, its line the 95 %
              interval, the upright tick the best of them. All share one scale, from {metric(scale[0])} to{' '}
              {metric(scale[1])} {measured.name}
              {order.length > 0 && '; what matters most comes first'}.
            </p>
            {sorted.map(slice => (
              <OneSlice key={slice.name} of={slice} n={slices.n} metricName={measured.name} scale={scale} />
            ))}
          </>
        )
      }}
    </Shown>
  )
}

interface SliceProps {
  readonly of: Slice
  readonly n: number
  readonly metricName: string
  readonly scale: readonly [number, number]
}

function OneSlice({ of: { name, bins, scale: kind }, n, metricName, scale }: SliceProps) {
  const seen = bins.filter(bin => bin.n > 0)
  return (
    <section>
      <h2>{name}</h2>
      <Figure
        name={`slice-${name}`}
        sentence={`The best and the mean ${metricName} by ${name} (${kind}), n=${n}.`}
        twin={() => ({
          columns: [name, 'n', 'best', 'mean', '± 95 %'],
          rows: bins.map(bin => [setting(bin.value), bin.n, bin.best, bin.mean, bin.ci95]),
        })}
      >
        <Table
          whole
          label={name}
          columns={[
            { name, heads: true },
            metricName,
            ...['mean, 95 %', 'best', 'n'].map(head => ({ name: head, isNumber: true })),
          ]}
          rows={seen.map(bin => ({
            key: setting(bin.value),
            cells: [
              setting(bin.value),
              <WhiskerMark key="w" of={bin} scale={scale} />,
              ...[
                bin.mean === null ? '' : interval({ mean: bin.mean, ci95: bin.ci95 }),
                metric(bin.best),
                bin.n,
              ],
            ],
          }))}
        />
      </Figure>
    </section>
  )
}

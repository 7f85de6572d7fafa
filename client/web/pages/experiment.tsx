import type { ResultView } from '#protocol/campaign.ts'
import type { Receipt } from '#protocol/credits.ts'
import type { RunReport } from '#protocol/report.ts'
import { LineChart } from '../charts/line.tsx'
import { get, useResource } from '../data.ts'
import { credits, metric, setting, whole } from '../format.ts'
import { useLive } from '../live.ts'
import { useTitle } from '../title.ts'
import { Figures, Scroll, Shown, State } from '../ui/parts.tsx'

/** One configuration: its best published run, how it learnt, and how to compute it again. The id may be a result's, too. */
export function ExperimentPage({ id }: { id: string }) {
  const result = useLive(`result ${id}`, () => get<ResultView & { report: RunReport }>(`/results/${id}`), {
    topics: id.startsWith('e_') ? [`experiment:${id}`] : [],
    everyMs: 15_000,
  })
  return (
    <Shown from={result} what="the experiment">
      {view => <Published of={view} />}
    </Shown>
  )
}

function Published({ of: view }: { of: ResultView & { report: RunReport } }) {
  const { plan, report, metric: reached } = view
  useTitle(`${plan.kernel.name} ${reached === null ? view.status : metric(reached.value)}`)
  const points = report.curve.flatMap((p): [number, number][] =>
    p.train === null ? [] : [[p.update, p.train]],
  )
  const checks = report.curve.flatMap((p): [number, number][] => (p.val === null ? [] : [[p.update, p.val]]))
  return (
    <>
      <a href={`/c/${view.campaignId}`}>‹ campaign</a>
      <h1 class="mono">{view.experimentId}</h1>
      <p class="meta">
        <State of={view.provisional ? 'provisional' : 'valid'} /> · {plan.kernel.name}@{plan.kernel.version} ·
        seed {plan.seed} · run ended {view.status}
      </p>
      <Figures
        of={[
          [reached?.name ?? 'metric', metric(reached?.value ?? null)],
          ['fuel, Ginstructions', (report.fuelUsed / 1e9).toFixed(2)],
          ...Object.entries(report.counters).map(([name, value]) => [name, whole(value)] as const),
        ]}
      />
      {points.length > 0 && (
        <LineChart
          name="curve"
          lines={[
            { label: 'training', points, token: 'series-1' },
            ...(checks.length > 1
              ? [{ label: 'validation', points: checks, token: 'champion', width: 2 }]
              : []),
          ]}
          x="updates"
          y="loss"
          sentence={`The loss over ${points.length} points of the run, from ${metric(points[0]?.[1] ?? null)} to ${metric(points.at(-1)?.[1] ?? null)}.`}
        />
      )}
      <h2>Compute it again</h2>
      <p>Any machine must get the same digest, bit by bit:</p>
      <pre>
        xeenet repro {view.resultId} --server {location.origin}
      </pre>
      <p class="meta">
        digest <span class="mono">{view.digest}</span>
      </p>
      <Settings of={plan.recipe} />
      <Earned resultId={view.resultId} />
    </>
  )
}

function Settings({ of: recipe }: { of: ResultView['plan']['recipe'] }) {
  return (
    <section>
      <h2>Recipe</h2>
      <Scroll label="Recipe">
        <table class="facts">
          <tbody>
            {Object.entries(recipe).map(([name, value]) => (
              <tr key={name}>
                <th scope="row">{name}</th>
                <td>{setting(value)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
    </section>
  )
}

function Earned({ resultId }: { resultId: string }) {
  const receipt = useResource(`receipt ${resultId}`, () => get<Receipt>(`/results/${resultId}/receipt`))
  return (
    <section>
      <h2>Receipt</h2>
      <Shown from={receipt} what="the receipt">
        {({ verdict, level, state, paidMilli, fuelPaid, priceMilliPerGfuel, transfers }) => (
          <p>
            {verdict}
            {level !== null && `, level ${level}`}: {credits(paidMilli)} credits ({state}) for{' '}
            {(fuelPaid / 1e9).toFixed(2)} Gfuel at {credits(priceMilliPerGfuel)} each, in {transfers.length}{' '}
            ledger rows.
          </p>
        )}
      </Shown>
    </section>
  )
}

import type { CampaignView, Leaderboard } from '#protocol/campaign.ts'
import { get, useResource } from '../data.ts'
import { metric, recipeLine, whole } from '../format.ts'
import { useTitle } from '../title.ts'
import { Empty, Figures, Scroll, Shown, State } from '../ui/parts.tsx'

/** One question: how far it is, and what it found. */
export function CampaignPage({ id }: { id: string }) {
  const view = useResource(`campaign ${id}`, () => get<CampaignView>(`/campaigns/${id}`), 10_000)
  const board = useResource(`board ${id}`, () => get<Leaderboard>(`/campaigns/${id}/leaderboard`), 10_000)
  return (
    <>
      <Shown from={view} what="the campaign">
        {campaign => <Head of={campaign} />}
      </Shown>
      <h2>Experiments, best first</h2>
      <Shown from={board} what="the experiments">
        {shown => <Board of={shown} />}
      </Shown>
    </>
  )
}

function Head({ of: campaign }: { of: CampaignView }) {
  useTitle(campaign.title)
  const { workUnits, results, best } = campaign
  return (
    <>
      <a href="/c">‹ campaigns</a>
      <h1>{campaign.title}</h1>
      {campaign.question !== null && <p class="prose">{campaign.question}</p>}
      <p class="meta">
        <State of={campaign.state} /> · {campaign.kernel} · {campaign.data} · {campaign.metric.goal}{' '}
        {campaign.metric.name} · revision {campaign.revision}
      </p>
      <Figures
        of={[
          ['valid runs', whole(workUnits.valid)],
          ['in progress', whole(results.inProgress)],
          ['queued', whole(results.unsent)],
          ['invalid results', whole(results.invalid)],
          [`best ${campaign.metric.name}`, best === null ? '—' : metric(best.mean)],
        ]}
      />
    </>
  )
}

function Board({ of: { rows, waiting, metric: measured } }: { of: Leaderboard }) {
  if (rows.length === 0) return <Empty>No run of this campaign is valid yet.</Empty>
  return (
    <>
      {waiting > 0 && <p class="dim">{waiting} more would be among the first and wait for the verifier.</p>}
      <Scroll label="Experiments">
        <table>
          <thead>
            <tr>
              <th class="n">#</th>
              <th class="n">{measured.name}</th>
              <th class="n">±</th>
              <th class="n">n</th>
              <th>recipe</th>
            </tr>
          </thead>
          <tbody>
            {rows.map((row, i) => (
              <tr key={row.experimentId}>
                <td class="n">{i + 1}</td>
                <td class="n">{metric(row.mean)}</td>
                <td class="n dim">{row.ci95 === null ? '' : metric(row.ci95)}</td>
                <td class="n">{row.n}</td>
                <td>{recipeLine(row.recipe)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
    </>
  )
}

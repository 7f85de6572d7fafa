import type { CampaignView } from '#protocol/campaign.ts'
import type { SearchView } from '#protocol/search.ts'
import { get, Refusal } from '../data.ts'
import { metric, recipeLine, setting, whole } from '../format.ts'
import { useLive } from '../live.ts'
import { Empty, Figures, Shown } from '../ui/parts.tsx'
import { Table } from '../ui/table.tsx'

/** Who proposes what is tried, and what it knows. */
export function Search({ campaign: { id } }: { campaign: CampaignView }) {
  const search = useLive(`search ${id}`, () => loadSearch(id), { topics: [`campaign:${id}`] })
  return (
    <Shown from={search} what="the search">
      {view =>
        view === undefined ? (
          <Empty>Nobody proposes here: what is tried was known when the campaign was submitted.</Empty>
        ) : (
          <>
            <Counts of={view} />
            <Proposers of={view} />
            <Covered of={view} />
            <Best of={view} />
          </>
        )
      }
    </Shown>
  )
}

/** Undefined where no sampler chooses. */
const loadSearch = (id: string): Promise<SearchView | undefined> =>
  get<SearchView>(`/campaigns/${id}/search`).catch(error => {
    if (error instanceof Refusal && error.problem.code === 'not_found') return undefined
    throw error
  })

const percent = (share: number): string => `${Math.round(share * 100)} %`

function Counts({ of: { sampler, experiments, waiting } }: { of: SearchView }) {
  const { planned, created, finished, pending, partial, failed, diverged, outside } = experiments
  return (
    <>
      <p>
        The sampler is <code>{sampler}</code>. {whole(created)} of {whole(planned)} experiments were proposed
        {outside > 0 && `, ${whole(outside)} of them from outside`}
        {waiting !== undefined && waiting > 0 && `; ${whole(waiting)} wait for their turn`}.
      </p>
      <Figures
        of={Object.entries({ finished, pending, 'stopped early': partial, failed, diverged }).map(
          ([name, count]) => [name, whole(count)],
        )}
      />
    </>
  )
}

function Proposers({ of: { proposers } }: { of: SearchView }) {
  if (proposers === undefined) return null
  return (
    <section>
      <h2>Who proposes</h2>
      <p class="dim">
        Several share the budget: who proposed what passed the sequential tests is asked more often.
      </p>
      <Table
        label="Proposers"
        columns={[
          { name: 'proposer', heads: true },
          'share of what comes next',
          ...['share', 'tried', 'pending', 'promoted'].map(name => ({ name, isNumber: true })),
        ]}
        rows={proposers.map(({ name, tried, pending, promoted, share }) => ({
          key: name,
          cells: [
            name,
            <meter key="m" value={share} min={0} max={1} aria-label={`${name}: ${percent(share)}`} />,
            ...[percent(share), whole(tried), whole(pending), whole(promoted)],
          ],
        }))}
      />
    </section>
  )
}

function Covered({ of: { parameters } }: { of: SearchView }) {
  return (
    <section>
      <h2>What was looked at</h2>
      <Table
        label="Parameters"
        columns={[
          { name: 'parameter', heads: true },
          ...['of its range tried', 'importance'].map(name => ({ name, isNumber: true })),
          'the best quarter lies at',
        ]}
        rows={parameters.map(({ name, covered, importance, bestQuarter }) => ({
          key: name,
          cells: [
            ...[name, percent(covered), importance === null ? '—' : percent(importance)],
            bestQuarter.map(setting).join(typeof bestQuarter[0] === 'number' ? ' … ' : ', '),
          ],
        }))}
      />
    </section>
  )
}

function Best({ of: { best, metric: name } }: { of: SearchView }) {
  if (best.length === 0) return <Empty>No experiment has finished.</Empty>
  return (
    <section>
      <h2>The best that it knows</h2>
      <Table
        label="The best that it knows"
        columns={[{ name, isNumber: true }, 'recipe', { name: 'tried as number', isNumber: true }]}
        rows={best.map(({ experimentId, value, values, ordinal }) => ({
          key: experimentId,
          cells: [
            <a key="e" href={`/e/${experimentId}`}>
              {metric(value)}
            </a>,
            ...[recipeLine(values), whole(ordinal + 1)],
          ],
        }))}
      />
    </section>
  )
}

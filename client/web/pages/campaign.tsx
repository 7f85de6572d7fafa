import type { CampaignView } from '#protocol/campaign.ts'
import { get } from '../data.ts'
import { credits, metric, whole } from '../format.ts'
import { useLive } from '../live.ts'
import { query } from '../router.ts'
import { useTitle } from '../title.ts'
import { Figures, Shown, State } from '../ui/parts.tsx'
import { Log, Notes } from './campaign-history.tsx'
import { Curves, Overview, Slices } from './campaign-overview.tsx'
import { ParallelTab } from './campaign-parallel.tsx'
import { Runs } from './campaign-runs.tsx'

const TABS = [
  ['overview', 'Overview', Overview],
  ['parallel', 'Parallel', ParallelTab],
  ['slices', 'Slices', Slices],
  ['curves', 'Curves', Curves],
  ['runs', 'Experiments', Runs],
  ['notes', 'Notes', Notes],
  ['log', 'Log', Log],
] as const

/** One question: the answer so far, how far it is, and everything behind it. */
export function CampaignPage({ id }: { id: string }) {
  const view = useLive(`campaign ${id}`, () => get<CampaignView>(`/campaigns/${id}`), {
    topics: [`campaign:${id}`],
    everyMs: 5_000,
  })
  const asked = query.value.get('tab') ?? 'overview'
  const [tab, , Tab] = TABS.find(([name]) => name === asked) ?? TABS[0]
  return (
    <Shown from={view} what="the campaign">
      {campaign => (
        <>
          <Head of={campaign} />
          <nav class="tabs" aria-label="Views of the campaign">
            {TABS.map(([name, title]) => (
              <a
                key={name}
                href={name === 'overview' ? `/c/${id}` : `/c/${id}?tab=${name}`}
                {...(name === tab ? { 'aria-current': 'page' as const } : {})}
              >
                {title}
              </a>
            ))}
          </nav>
          <Tab campaign={campaign} />
        </>
      )}
    </Shown>
  )
}

function Head({ of: campaign }: { of: CampaignView }) {
  useTitle(campaign.title)
  const { workUnits, results, best, credit } = campaign
  return (
    <>
      <a href="/c">‹ campaigns</a>
      <h1>{campaign.title}</h1>
      {campaign.question !== null && <p class="prose">{campaign.question}</p>}
      <p class="meta">
        <State of={campaign.state} /> {campaign.end?.reason != null && `(${campaign.end.reason})`} ·{' '}
        {campaign.kernel} · {campaign.data} · {campaign.metric.goal} {campaign.metric.name} · revision{' '}
        {campaign.revision}
        {campaign.derivedFrom !== null && (
          <>
            {' '}
            · forked from <a href={`/c/${campaign.derivedFrom}`}>{campaign.derivedFrom}</a>
          </>
        )}
      </p>
      {campaign.calm !== null && (
        <p class="meta">Recipes that devices do not agree on are left to exact classes: {campaign.calm}.</p>
      )}
      <Figures
        of={[
          [`best ${campaign.metric.name}`, best === null ? '—' : metric(best.mean)],
          ['runs valid', whole(workUnits.valid)],
          ['computing', whole(results.inProgress)],
          ['queued', whole(results.unsent)],
          ['invalid results', whole(results.invalid)],
          ['credits granted', `${credits(credit.grantedMilli)} of ${credits(credit.reservedMilli)}`],
        ]}
      />
      <p>
        <a class="button" href={`/api/v1/campaigns/${campaign.id}/export?format=csv`} download>
          All runs: CSV
        </a>{' '}
        <a class="button" href={`/api/v1/campaigns/${campaign.id}/export`} download>
          NDJSON
        </a>
      </p>
    </>
  )
}

import { useComputed } from '@preact/signals'
import type { CampaignView } from '#protocol/campaign.ts'
import { campaignPath } from '#protocol/first.ts'
import { CampaignRug, useTicks } from '../charts/rug.tsx'
import { get, type Resource } from '../data.ts'
import { credits, metric, whole } from '../format.ts'
import { late } from '../late.tsx'
import { useLive } from '../live.ts'
import { query } from '../router.ts'
import { useTitle } from '../title.ts'
import { Figures, Shown, State } from '../ui/parts.tsx'
import { Acts, isOpen, TimeLeft } from './campaign-acts.tsx'
import { Answer, type Known, useKnown } from './campaign-answer.tsx'
import { Exports } from './campaign-exports.tsx'

/** What every view of a campaign is given. */
export interface TabProps {
  readonly campaign: CampaignView
  readonly known: Resource<Known>
}

// Each with its own program: who looks at one loads no other.
const TABS = [
  ['overview', 'Overview', late<TabProps>(async () => (await import('./campaign-overview.tsx')).Overview)],
  ['parallel', 'Parallel', late<TabProps>(async () => (await import('./campaign-parallel.tsx')).ParallelTab)],
  ['slices', 'Slices', late<TabProps>(async () => (await import('./campaign-slices.tsx')).Slices)],
  ['heat', 'Heat', late<TabProps>(async () => (await import('./campaign-heat.tsx')).HeatTab)],
  ['front', 'Front', late<TabProps>(async () => (await import('./campaign-front.tsx')).Front)],
  ['curves', 'Curves', late<TabProps>(async () => (await import('./campaign-curves.tsx')).Curves)],
  ['runs', 'Experiments', late<TabProps>(async () => (await import('./campaign-runs.tsx')).Runs)],
  ['search', 'Search', late<TabProps>(async () => (await import('./campaign-search.tsx')).Search)],
  [
    'revisions',
    'Revisions',
    late<TabProps>(async () => (await import('./campaign-revisions.tsx')).Revisions),
  ],
  ['notes', 'Notes', late<TabProps>(async () => (await import('./campaign-history.tsx')).Notes)],
  ['log', 'Log', late<TabProps>(async () => (await import('./campaign-history.tsx')).Log)],
] as const
// For its owner, who comes by a button.
const EDIT = ['edit', 'Edit', late<TabProps>(async () => (await import('./campaign-edit.tsx')).Edit)] as const

/** One question: the answer so far, how far it is, and everything behind it. */
export function CampaignPage({ id }: { id: string }) {
  const view = useLive(`campaign ${id}`, () => get<CampaignView>(campaignPath(id)), {
    topics: [`campaign:${id}`],
    everyMs: 5_000,
  })
  return (
    <Shown from={view} what="the campaign">
      {campaign => <Campaign of={campaign} onChanged={view.put} />}
    </Shown>
  )
}

interface CampaignProps {
  readonly of: CampaignView
  /** Shows what its owner made of it. */
  readonly onChanged: (campaign: CampaignView) => void
}

function Campaign({ of: campaign, onChanged }: CampaignProps) {
  const { id } = campaign
  const known = useKnown(id, campaign.best)
  // A filter in the address is its view's own affair.
  const asked = useComputed(() => query.value.get('tab') ?? 'overview').value
  const [tab, , Tab] = [...TABS, EDIT].find(([name]) => name === asked) ?? TABS[0]
  return (
    <>
      <Head campaign={campaign} known={known} onChanged={onChanged} />
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
      <Tab key={tab} campaign={campaign} known={known} />
    </>
  )
}

function Head({ campaign, known, onChanged }: TabProps & Pick<CampaignProps, 'onChanged'>) {
  useTitle(campaign.title)
  const ticks = useTicks(campaign.id)
  const { id, workUnits, results, best, credit } = campaign
  return (
    <>
      <a href="/c">‹ campaigns</a>
      <h1>{campaign.title}</h1>
      {campaign.question !== null && <p class="prose">{campaign.question}</p>}
      <p class="meta">
        <State of={campaign.state} /> {campaign.end?.reason != null && `(${campaign.end.reason})`} ·{' '}
        {campaign.kernel} · {campaign.data} · {campaign.metric.goal} {campaign.metric.name} ·{' '}
        <a href={`/c/${id}?tab=revisions`}>revision {campaign.revision}</a>
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
      <Acts campaign={campaign} onDone={onChanged} />
      <CampaignRug campaign={campaign} ticks={ticks} />
      <Answer campaign={campaign} known={known} />
      <Figures
        of={[
          [
            `best ${campaign.metric.name}`,
            best === null ? (
              '—'
            ) : (
              <a href={`/e/${best.experimentId}`}>
                {metric(best.mean)}
                {best.ci95 !== null && <small> ±{metric(best.ci95)}</small>}
              </a>
            ),
          ],
          ['runs valid', whole(workUnits.valid)],
          ['computing', whole(results.inProgress)],
          ['queued', whole(results.unsent)],
          ['invalid results', whole(results.invalid)],
          ...(isOpen(campaign)
            ? [['time left', <TimeLeft key="t" campaign={campaign} ticks={ticks} />] as const]
            : []),
          ['credits granted', `${credits(credit.grantedMilli)} of ${credits(credit.reservedMilli)}`],
        ]}
      />
      <Exports id={id} />
    </>
  )
}

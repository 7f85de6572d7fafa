import type { CampaignView, ServerView } from '#protocol/campaign.ts'
import { CampaignRug } from '../charts/rug.tsx'
import { get, useResource } from '../data.ts'
import { metric, recipeLine, whole } from '../format.ts'
import { useLive } from '../live.ts'
import { useTitle } from '../title.ts'
import { Empty, Shown, State } from '../ui/parts.tsx'
import { loadCampaigns } from './campaigns.tsx'

const SHOWN = 6

/** Is it alive, what is being found, how do I join. */
export function Home() {
  useTitle(undefined)
  const running = useLive('home', loadRunning, { topics: ['home'] })
  const server = useResource('server', () => get<ServerView>('/server'))
  return (
    <>
      <h1>Lend idle cores to an open experiment</h1>
      <p class="prose">
        Researchers ask small, sharp questions about how models learn. Each becomes thousands of short
        training runs that machines like yours compute in a sandbox; every answer is checked by another
        machine and public.
      </p>
      <p>
        <a class="button primary big" href="/start">
          Start in this tab
        </a>
      </p>
      <p class="meta">
        Nothing is installed. Nothing runs before you press Start. In a terminal, in a clone of the project
        after <code>npm ci</code>: <code>npx --no xeenet up --server {location.origin}</code>
      </p>
      <h2>What is asked</h2>
      <Shown from={running} what="the campaigns">
        {campaigns => <Asked campaigns={campaigns} />}
      </Shown>
      <h2>What can be computed here</h2>
      <Shown from={server} what="the server">
        {({ kernels, datasets }) => (
          <p>
            {kernels.length === 0 ? 'No kernels yet.' : kernels.map(k => `${k.name}@${k.version}`).join(', ')}
            {datasets.length > 0 && ` on ${datasets.map(d => `${d.name}@${d.version}`).join(', ')}`}
          </p>
        )}
      </Shown>
    </>
  )
}

async function loadRunning(): Promise<CampaignView[]> {
  const all = await loadCampaigns()
  const first = [...all.filter(c => c.state === 'running'), ...all.filter(c => c.state !== 'running')]
  return Promise.all(first.slice(0, SHOWN).map(({ id }) => get<CampaignView>(`/campaigns/${id}`)))
}

function Asked({ campaigns }: { campaigns: readonly CampaignView[] }) {
  if (campaigns.length === 0)
    return (
      <Empty>
        Nothing is asked at the moment. A device that is started now gets work the moment a campaign needs it.
      </Empty>
    )
  return (
    <ul class="items">
      {campaigns.map(campaign => (
        <li key={campaign.id}>
          <div class="row">
            <a href={`/c/${campaign.id}`}>{campaign.title}</a>
            <State of={campaign.state} />
            <span class="grow" />
            <Best of={campaign} />
          </div>
          <CampaignRug campaign={campaign} />
          <Progress of={campaign} />
        </li>
      ))}
    </ul>
  )
}

function Best({ of: { best, metric: measured } }: { of: CampaignView }) {
  if (best === null) return <span class="dim">no value yet</span>
  return (
    <span title={recipeLine(best.recipe)}>
      best {measured.name} <strong>{metric(best.mean)}</strong> <span class="dim">n={best.n}</span>
    </span>
  )
}

function Progress({ of: { workUnits, kernel, data } }: { of: CampaignView }) {
  const all = workUnits.open + workUnits.valid + workUnits.failed + workUnits.cancelled
  return (
    <div class="meta">
      {kernel} · {data} · {whole(workUnits.valid)} of {whole(all)} runs valid
    </div>
  )
}

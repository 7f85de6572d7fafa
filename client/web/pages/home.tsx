import type { ComponentChildren } from 'preact'
import type { Finding, HomeView } from '#protocol/home.ts'
import { durationText, etaFrom, progressOf } from '#runtime/eta.ts'
import { CampaignRug, HourRug, useTicks } from '../charts/rug.tsx'
import { get } from '../data.ts'
import { ago, credits, metric, recipeLine, setting, whole } from '../format.ts'
import { homeAfter, hour } from '../hour.ts'
import { clock, useLive } from '../live.ts'
import { useTitle } from '../title.ts'
import { Command, CommandPlace, commandHere } from '../ui/command.tsx'
import { Empty, Figures, Shown, State } from '../ui/parts.tsx'

type Asked = HomeView['campaigns'][number]

/** Is it alive, what is being found, how do I join. */
export function Home() {
  useTitle(undefined)
  const home = useLive('home', () => get<HomeView>('/home'), { topics: ['home'], patch: homeAfter })
  const { value: now } = home.now
  return (
    <>
      <h1>Lend idle cores to an open experiment</h1>
      <p class="prose">
        Researchers ask small, sharp questions about how models learn. Each becomes thousands of short
        training runs that machines like yours compute in a sandbox; every answer is checked by another
        machine and public.
      </p>
      <p class="row">
        <a class="button primary big" href="/start">
          Start in this tab
        </a>
        <span class="dim">Nothing is installed. Nothing runs before you press Start.</span>
      </p>
      <p>
        <Command line={commandHere('up')} />
        <br />
        <span class="meta">
          The same in a terminal, <CommandPlace />.
        </span>
      </p>
      <Numbers of={now.state === 'ready' ? now.value : undefined} />
      <Shown from={home} what="what is asked and found">
        {view => <Science of={view} />}
      </Shown>
    </>
  )
}

/** In the same places before and after they are known. */
function Numbers({ of: home }: { of: HomeView | undefined }) {
  const { value: last } = hour.now
  const lively = last.state === 'ready' ? last.value : undefined
  const figure = (value: number | undefined): string => (value === undefined ? '…' : whole(value))
  return (
    <Figures
      of={[
        ['runs in the last hour', figure(lively?.runs)],
        ['hosts, last hour', figure(lively?.hosts)],
        ['their cores', figure(lively?.cores)],
        ['campaigns running', figure(home?.running)],
        ['results so far', figure(home?.results)],
        ['core-hours so far', figure(home && Math.round(home.coreHours))],
        ['results queued', figure(home?.waiting)],
      ]}
    />
  )
}

function Science({ of: { campaigns, running, found, thanks } }: { of: HomeView }) {
  return (
    <div class="two">
      <section>
        <h2>{running > 0 ? 'Running now' : 'Asked so far'}</h2>
        <p class="meta">
          Each tick is a run that became public: in the last hour, or where a campaign runs no more all of
          them in order. The more machines agreed the taller, above all a new best; red are those without a
          metric.
        </p>
        <Campaigns of={campaigns} />
        <p>
          <a href="/c">All campaigns</a>
        </p>
      </section>
      <div>
        <section>
          <h2>Found this week</h2>
          <Found of={found} />
        </section>
        <section>
          <h2>Thank you</h2>
          <Thanks of={thanks} />
        </section>
      </div>
    </div>
  )
}

function Campaigns({ of: campaigns }: { of: readonly Asked[] }) {
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
          <Campaign of={campaign} />
        </li>
      ))}
    </ul>
  )
}

function Campaign({ of: campaign }: { of: Asked }) {
  const { id, title, question, state, ticks } = campaign
  const { value: last } = hour.now
  return (
    <>
      <div class="row">
        <a class="asked" href={`/c/${id}`}>
          {title}
        </a>
        <span class="grow" />
        <State of={state} />
      </div>
      {question !== null && question !== title && <p class="dim clamp">{question}</p>}
      {state !== 'running' ? (
        <EndedRug campaign={campaign} />
      ) : last.state === 'ready' ? (
        <HourRug ticks={ticks} aheadMs={last.value.aheadMs} />
      ) : (
        <div class="rug" />
      )}
      <div class="row meta">
        <Best of={campaign} />
        <span class="grow" />
        <How of={campaign} />
      </div>
    </>
  )
}

const EndedRug = ({ campaign }: { campaign: Asked }) => (
  <CampaignRug campaign={campaign} ticks={useTicks(campaign.id)} />
)

function Best({ of: { best, bestSince, metric: measured } }: { of: Asked }) {
  if (best === null) return <span>no value yet</span>
  return (
    <span title={recipeLine(best.recipe)}>
      best {measured.name} <Mean of={best} />
      {bestSince !== null && `, found ${ago(bestSince, clock.value)}`}
    </span>
  )
}

const Mean = ({ of: { mean, ci95, n } }: { of: NonNullable<Asked['best']> }) => (
  <>
    <strong class="value">{metric(mean)}</strong>
    {ci95 !== null && ` ± ${metric(ci95)}`} n={n}
  </>
)

/** How far it is, and how much longer it takes at the pace of late. */
function How({ of: campaign }: { of: Asked }) {
  const { value: last } = hour.now
  const { over, total } = progressOf(campaign)
  const eta =
    last.state === 'ready' ? etaFrom(campaign, campaign.ticks, clock.value + last.value.aheadMs) : undefined
  const share = total === 0 ? 0 : Math.floor((100 * over) / total)
  return (
    <span>
      {campaign.kernel} · {whole(campaign.workUnits.valid)} runs valid
      {campaign.state === 'running' && ` · ${share} %`}
      {eta !== undefined && ` · about ${durationText(eta.remainingMs)} left`}
    </span>
  )
}

function Found({ of: found }: { of: readonly Finding[] }) {
  if (found.length === 0)
    return <Empty>Nothing was decided in the last seven days. A finding needs more than one lucky run.</Empty>
  return (
    <ul class="items">
      {found.map(one => (
        <li key={one.kind === 'finished' ? one.campaignId : `${one.challenger} ${one.at}`}>
          <Says of={one} />
          <div class="meta">
            <a href={`/c/${one.campaignId}`}>{one.title}</a>, {ago(one.at, clock.value)}
          </div>
        </li>
      ))}
    </ul>
  )
}

function Says({ of: finding }: { of: Finding }): ComponentChildren {
  if (finding.kind === 'finished')
    return (
      <>
        <State of="finished" />{' '}
        {finding.best === null ? (
          'without a value'
        ) : (
          <>
            best {finding.metric} <Mean of={finding.best} />
          </>
        )}
      </>
    )
  const { kind, recipes, gain, challenger, metric: name } = finding
  return (
    <>
      <State of={kind} /> <a href={`/e/${challenger}`}>{changeOf(recipes)}</a>{' '}
      {kind === 'promoted' ? 'is better' : 'is no better'}
      {gain !== null && (
        <span class="dim">
          : gain {metric(gain.mean)} {gain.ci95 !== null && `± ${metric(gain.ci95)} `}
          {name}, n={gain.n} pairs
        </span>
      )}
    </>
  )
}

type Recipes = Extract<Finding, { recipes: unknown }>['recipes']

/** `lr 0.001 → 0.0021, width 32 → 64` */
function changeOf({ incumbent, challenger }: Recipes): string {
  const names = [...new Set([...Object.keys(incumbent), ...Object.keys(challenger)])]
  const changed = names.filter(name => incumbent[name] !== challenger[name])
  return changed
    .map(name => `${name} ${setting(incumbent[name] ?? 'none')} → ${setting(challenger[name] ?? 'none')}`)
    .join(', ')
}

function Thanks({ of: { people, anonymous } }: { of: HomeView['thanks'] }) {
  if (people.length === 0 && anonymous === 0)
    return <Empty>Whoever gives the first verified result of the week stands here.</Empty>
  return (
    <>
      <ol class="thanks">
        {people.map(({ name, valid, creditMilli }) => (
          <li key={name}>
            <span>{name}</span>
            <span class="dim">{whole(valid)} results</span>
            <span class="n">{credits(creditMilli)}</span>
          </li>
        ))}
      </ol>
      <p class="dim">
        {anonymous > 0 && `${whole(anonymous)} verified results came from hosts that nobody claimed. `}
        <a href="/top">All who gave</a>
      </p>
    </>
  )
}

import type { HomeView } from '#protocol/home.ts'
import type { CampaignTicks, Tick, TickList } from '#protocol/ticks.ts'
import { get, openResource } from './data.ts'
import type { News } from './live.ts'

/** The last hour of the server, and by how much its clock is ahead of ours. */
export type Hour = TickList & { readonly aheadMs: number }

const EVERY_MS = 10_000
const load = async (): Promise<Hour> => {
  const list = await get<TickList>('/ticks')
  return { ...list, aheadMs: Date.parse(list.now) - Date.now() }
}

/** One for the whole tab: the frame around every page keeps it current, and pages look at it. */
export const hour = openResource(load, EVERY_MS)

/** The hour after some news. */
export const hourAfter = (hour: Hour, news: News): Hour => ({
  ...hour,
  ...grown(hour, news, Date.parse(hour.now)),
})

/** The ticks of a campaign after some news of it. */
export const ticksAfter = (known: CampaignTicks, news: News): CampaignTicks => ({
  ...known,
  ...grown(known, news, atOf(known.ticks.at(-1))),
})

/** The first page after some news; undefined: it has to be read again, as after whatever is more than another run. */
export function homeAfter(home: HomeView, news: News): HomeView | undefined {
  if (news.kind !== 'ticks') return undefined
  const campaigns = home.campaigns.map(campaign => {
    const mine = { ...news, ticks: news.ticks.filter(tick => tick.campaignId === campaign.id) }
    const { ticks } = grown({ ...NOTHING, ticks: campaign.ticks }, mine, Date.parse(home.at))
    return { ...campaign, ticks }
  })
  return { ...home, campaigns }
}

type Grown = Pick<CampaignTicks, 'runs' | 'failed' | 'ticks'>
const NOTHING = { runs: 0, failed: 0 }
const atOf = (tick: Tick | undefined): number => (tick === undefined ? 0 : Date.parse(tick.at))

/** With what was told, but for what had been read before it was told. A new best is told after the runs that made it: it is marked on the last of them. */
function grown({ runs, failed, ticks }: Grown, news: News, readUpTo: number): Grown {
  if (news.kind === 'campaign' && news.event.kind === 'campaign.best')
    return {
      runs,
      failed,
      ticks: ticks.map((tick, i) => (i === ticks.length - 1 ? { ...tick, best: true } : tick)),
    }
  const told = news.kind === 'ticks' ? news.ticks : []
  const fresh = told.filter(tick => tick.runs > 0 && Date.parse(tick.at) > readUpTo)
  return {
    runs: fresh.reduce((sum, tick) => sum + tick.runs, runs),
    failed: fresh.reduce((sum, tick) => sum + tick.failed, failed),
    ticks: [...ticks, ...fresh.map(({ campaignId: _, ...tick }) => ({ ...tick, best: false }))],
  }
}

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
export function hourAfter(hour: Hour, news: News): Hour {
  const fresh = freshTicks(news, Date.parse(hour.now))
  return { ...hour, ...added(hour, fresh), ticks: marked([...hour.ticks, ...fresh], news) }
}

/** The ticks of a campaign after some news of it. */
export function ticksAfter(known: CampaignTicks, news: News): CampaignTicks {
  const last = known.ticks.at(-1)
  const fresh = freshTicks(news, last === undefined ? 0 : Date.parse(last.at))
  return { ...known, ...added(known, fresh), ticks: marked([...known.ticks, ...fresh], news) }
}

type Counted = Pick<TickList, 'runs' | 'failed'>
const added = ({ runs, failed }: Counted, fresh: readonly Tick[]): Counted => ({
  runs: fresh.reduce((sum, tick) => sum + tick.runs, runs),
  failed: fresh.reduce((sum, tick) => sum + tick.failed, failed),
})

/** What was told, without what was read before it was told. */
const freshTicks = (news: News, readUpTo: number): Tick[] =>
  news.kind !== 'ticks'
    ? []
    : news.ticks
        .filter(({ runs, at }) => runs > 0 && Date.parse(at) > readUpTo)
        .map(tick => ({ ...tick, best: false }))

/** A new best is told after the runs that made it: the last tick of the campaign is where it stands. */
function marked(ticks: readonly Tick[], news: News): Tick[] {
  if (news.kind !== 'campaign' || news.event.kind !== 'campaign.best') return [...ticks]
  const { campaignId } = news.event
  const last = ticks.findLastIndex(tick => tick.campaignId === campaignId)
  return ticks.map((tick, i) => (i === last ? { ...tick, best: true } : tick))
}

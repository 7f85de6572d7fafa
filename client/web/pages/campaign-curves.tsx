import type { AnalysisView } from '#protocol/analysis.ts'
import type { CampaignView } from '#protocol/campaign.ts'
import { LineChart } from '../charts/line.tsx'
import { get } from '../data.ts'
import { metric, whole } from '../format.ts'
import { useLive } from '../live.ts'
import { Empty, Shown } from '../ui/parts.tsx'

const CURVES_SHOWN = 40

/** How the models learnt: the best in its own colour, the others behind it. */
export function Curves({ campaign }: { campaign: CampaignView }) {
  const analysis = useLive(
    `curves ${campaign.id}`,
    () => get<AnalysisView>(`/campaigns/${campaign.id}/analysis?part=curves`),
    {
      topics: [`campaign:${campaign.id}`],
    },
  )
  return (
    <Shown from={analysis} what="the curves">
      {({ curves }) => {
        const best = curves?.curves[0]
        if (curves === undefined || best === undefined) return <Empty>No finished run yet.</Empty>
        const shown = curves.curves.slice(0, CURVES_SHOWN)
        const lines = shown.map(({ rank, value, points }, i) => ({
          label: i === 0 ? `best, ${metric(value)}` : i === 1 ? 'others' : `rank ${rank}`,
          unnamed: i > 1,
          points: points.flatMap((p): [number, number][] => (p.train === null ? [] : [[p.update, p.train]])),
          token: i === 0 ? 'champion' : 'ink-3',
          width: i === 0 ? 2 : 0.5,
        }))
        return (
          <LineChart
            name="curves"
            lines={[...lines.slice(1), ...lines.slice(0, 1)]}
            x="updates"
            y="training loss"
            height={360}
            sentence={`Training loss of ${shown.length} of ${whole(curves.n)} experiments, the best one in colour.`}
          />
        )
      }}
    </Shown>
  )
}

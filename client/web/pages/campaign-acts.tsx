import { useSignal } from '@preact/signals'
import type { CampaignView } from '#protocol/campaign.ts'
import type { CampaignTicks } from '#protocol/ticks.ts'
import { durationText, etaFrom } from '#runtime/eta.ts'
import { call, token } from '../bearer.tsx'
import type { Resource } from '../data.ts'
import { hour } from '../hour.ts'
import { clock } from '../live.ts'
import { may, user } from '../session.ts'
import { Failed } from '../ui/form.tsx'

/** Whether it can still be changed. */
export const isOpen = ({ state }: CampaignView): boolean => state === 'running' || state === 'paused'

/** Whether who is logged in may change it; whose token was typed is known to the server only. */
export const isOwn = ({ ownerId }: CampaignView): boolean =>
  token.value !== '' || may('admin') || (may('campaign') && user.value?.userId === ownerId)

interface ActsProps {
  readonly campaign: CampaignView
  /** Shows what an act made of it. */
  readonly onDone: (campaign: CampaignView) => void
}

/** What its owner does with a campaign: hold it, let it go on, change it. Nothing for everybody else. */
export function Acts({ campaign, onDone }: ActsProps) {
  const busy = useSignal(false)
  const failure = useSignal<string | undefined>(undefined)
  if (!isOpen(campaign) || !isOwn(campaign)) return null
  const verb = campaign.state === 'paused' ? 'resume' : 'pause'
  const act = async (): Promise<void> => {
    busy.value = true
    failure.value = undefined
    try {
      onDone(await call<CampaignView>('POST', `/campaigns/${campaign.id}/${verb}`))
    } catch (error) {
      failure.value = error instanceof Error ? error.message : String(error)
    }
    busy.value = false
  }
  return (
    <>
      <p class="row">
        <button type="button" disabled={busy.value} onClick={() => void act()}>
          {verb === 'pause' ? 'Pause' : 'Resume'}
        </button>
        <a class="button" href={`/c/${campaign.id}?tab=edit`}>
          Edit → revision {campaign.revision + 1}
        </a>
        {verb === 'resume' && <span class="meta">Nothing is handed out; what is being computed counts.</span>}
      </p>
      <Failed why={failure.value} />
    </>
  )
}

interface TimeLeftProps {
  readonly campaign: CampaignView
  readonly ticks: Resource<CampaignTicks>
}

/** How much longer it takes at the pace of late. */
export function TimeLeft({ campaign, ticks }: TimeLeftProps) {
  const [{ value: last }, { value: told }] = [hour.now, ticks.now]
  const eta =
    last.state === 'ready' && told.state === 'ready'
      ? etaFrom(campaign, told.value.ticks, clock.value + last.value.aheadMs)
      : undefined
  if (eta === undefined) return <>—</>
  const { remainingMs, byMs, byRuns } = eta
  return (
    <span title={`by ${byRuns} runs in the last ${durationText(byMs)}`}>
      about {durationText(remainingMs)}
    </span>
  )
}

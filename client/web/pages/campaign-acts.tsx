import { useSignal } from '@preact/signals'
import type { CampaignView } from '#protocol/campaign.ts'
import type { CampaignTicks } from '#protocol/ticks.ts'
import { durationText, etaFrom } from '#runtime/eta.ts'
import { call, token } from '../bearer.tsx'
import type { Resource } from '../data.ts'
import { hour } from '../hour.ts'
import { late } from '../late.tsx'
import { clock } from '../live.ts'
import { may, user } from '../session.ts'
import { Failed } from '../ui/form.tsx'
import type { StopProps } from './campaign-stop.tsx'

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

const Stop = late<StopProps>(async () => (await import('./campaign-stop.tsx')).Stop)

/** What its owner does with a campaign: hold it, let it go on, change it, end it. Nothing for everybody else. */
export function Acts({ campaign, onDone }: ActsProps) {
  const busy = useSignal(false)
  const failure = useSignal<string | undefined>(undefined)
  const stopping = useSignal(false)
  if (!isOpen(campaign) || !isOwn(campaign)) return null
  const verb = campaign.state === 'paused' ? 'resume' : 'pause'
  const act = async (word: typeof verb | 'stop', body?: { reason: string }): Promise<void> => {
    busy.value = true
    failure.value = undefined
    try {
      onDone(await call<CampaignView>('POST', `/campaigns/${campaign.id}/${word}`, body))
    } catch (error) {
      failure.value = error instanceof Error ? error.message : String(error)
    }
    busy.value = false
  }
  return (
    <>
      <p class="row">
        <button type="button" disabled={busy.value} onClick={() => void act(verb)}>
          {verb === 'pause' ? 'Pause' : 'Resume'}
        </button>
        <a class="button" href={`/c/${campaign.id}?tab=edit`}>
          Edit → revision {campaign.revision + 1}
        </a>
        <button
          type="button"
          aria-expanded={stopping.value}
          onClick={() => (stopping.value = !stopping.value)}
        >
          Stop …
        </button>
        {verb === 'resume' && <span class="meta">Nothing is handed out; what is being computed counts.</span>}
      </p>
      {stopping.value && (
        <Stop
          campaign={campaign}
          onConfirm={reason => act('stop', { reason })}
          onClose={() => (stopping.value = false)}
        />
      )}
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

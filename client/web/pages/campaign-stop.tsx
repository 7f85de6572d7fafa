import type { CampaignView } from '#protocol/campaign.ts'
import { counted, credits } from '../format.ts'
import { Confirm } from '../ui/confirm.tsx'

export interface StopProps {
  readonly campaign: CampaignView
  onConfirm(reason: string): Promise<void>
  onClose(): void
}

/** What stopping a campaign would end and give back, as it stands now; then why. */
export function Stop({ campaign: { results, experiments, credit }, onConfirm, onClose }: StopProps) {
  const unborn = Math.max(0, experiments.planned - experiments.created)
  return (
    <div class="notice act">
      <Confirm label="Stop it for good" onConfirm={onConfirm} onClose={onClose}>
        <p>
          <strong>It ends now, and cannot be resumed.</strong> What is published stays.
        </p>
        <ul>
          {results.unsent > 0 && <li>{counted(results.unsent, 'queued result')} will not be handed out.</li>}
          {unborn > 0 && <li>{counted(unborn, 'planned experiment')} will not be begun.</li>}
          {results.inProgress > 0 && (
            <li>
              {counted(results.inProgress, 'result')} being computed may still come in, and are paid then.
            </li>
          )}
          <li>
            Up to {credits(credit.balanceMilli)} of {credits(credit.reservedMilli)} credits come back, once
            nothing is awaited any more.
          </li>
        </ul>
      </Confirm>
    </div>
  )
}

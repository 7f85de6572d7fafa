import type { Act } from '#protocol/acts.ts'
import { reasonOf } from '#protocol/proposals.ts'
import type { CampaignId } from '#protocol/units.ts'
import { endCampaign, pauseCampaign, resumeCampaign } from '#store/campaign-life.ts'
import { type CampaignRow, countRunningWith, findCampaign } from '#store/campaigns.ts'
import type { Trx } from '#store/database.ts'
import { findAlert, reopenAlert, resolveAlert } from '#store/inspection.ts'
import { findKernel, type KernelRow, setDeprecated } from '#store/kernels.ts'
import { decide, findProposal } from '#store/proposals.ts'
import { ActRefused, type Plan } from './deps.ts'

type ActOf<Kind extends Act['kind']> = Extract<Act, { kind: Kind }>
type CampaignAct = ActOf<'pause_campaign' | 'resume_campaign' | 'end_campaign'>

const LIFE = {
  pause_campaign: { from: ['running'], becomes: 'nothing of it is handed out until it is resumed' },
  resume_campaign: { from: ['paused'], becomes: 'goes on' },
  end_campaign: { from: ['running', 'paused'], becomes: 'ends; what is not spent goes back to its owner' },
} as const satisfies Record<CampaignAct['kind'], { from: readonly CampaignRow['state'][]; becomes: string }>

/** A campaign is paused, goes on, or ends. */
export const campaignPlan = ({ kind, campaignId }: CampaignAct): Plan => ({
  subject: campaignId,
  look: async trx => {
    const { title, state, experimentsCreated: n } = await campaignOf(trx, campaignId)
    const { from, becomes } = LIFE[kind]
    if (!from.some(name => name === state)) throw new ActRefused('act_pointless', `it is ${state}`)
    const back = { pause_campaign: 'resume_campaign', resume_campaign: 'pause_campaign' } as const
    return {
      touches: 1,
      sentence: `${becomes}; it has created ${n} experiments`,
      sample: [{ id: campaignId, what: title }],
      inverse: kind === 'end_campaign' ? null : { kind: back[kind], campaignId },
    }
  },
  do: async (trx, deps, reason) => {
    const act = { id: campaignId, by: 'operator', now: deps.now() } as const
    const done = await {
      pause_campaign: () => pauseCampaign(trx, act),
      resume_campaign: () => resumeCampaign(trx, act),
      end_campaign: () => endCampaign(trx, { ...act, reason }),
    }[kind]()
    if (!done) throw new ActRefused('act_pointless', 'it has changed meanwhile')
    await deps.wake.campaigns(trx, [campaignId])
    return 1
  },
})

async function campaignOf(trx: Trx, id: CampaignId): Promise<CampaignRow> {
  const campaign = await findCampaign(trx, id)
  if (campaign === undefined) throw new ActRefused('not_found', `campaign ${id}`)
  return campaign
}

/** A kernel takes no new campaigns, or takes them again. What runs goes on either way. */
export const kernelPlan = ({ kind, kernel: name }: ActOf<'deprecate_kernel' | 'restore_kernel'>): Plan => ({
  subject: name,
  look: async trx => {
    const kernel = await kernelOf(trx, name)
    const isDeprecating = kind === 'deprecate_kernel'
    if (isDeprecating === (kernel.deprecatedAt !== null))
      throw new ActRefused('act_pointless', `${name} is ${isDeprecating ? '' : 'not '}deprecated`)
    const running = await countRunningWith(trx, kernel.moduleSha256)
    return {
      touches: 1,
      sentence: `takes ${isDeprecating ? 'no new' : 'new'} campaigns; ${running} that run go on`,
      sample: [{ id: name, what: kernel.manifest.title }],
      inverse: { kind: isDeprecating ? 'restore_kernel' : 'deprecate_kernel', kernel: name },
    }
  },
  do: (trx, deps) => setDeprecated(trx, name, kind === 'deprecate_kernel' ? deps.now() : null),
})

async function kernelOf(trx: Trx, name: string): Promise<KernelRow> {
  const kernel = await findKernel(trx, name)
  if (kernel === undefined) throw new ActRefused('not_found', `kernel ${name}`)
  return kernel
}

/** A broken invariant was dealt with, or was not after all. */
export const alertPlan = ({ kind, alertId }: ActOf<'resolve_alert' | 'reopen_alert'>): Plan => ({
  subject: String(alertId),
  look: async trx => {
    const alert = await findAlert(trx, alertId)
    if (alert === undefined) throw new ActRefused('not_found', `alert ${alertId}`)
    const isResolving = kind === 'resolve_alert'
    if (isResolving === (alert.resolvedAt !== null))
      throw new ActRefused('act_pointless', `it is ${isResolving ? 'resolved already' : 'open'}`)
    return {
      touches: 1,
      sentence: isResolving ? 'counts as dealt with; found again, it is raised again' : 'is open again',
      sample: [{ id: String(alertId), what: `${alert.kind} ${alert.subject}: ${alert.detail}` }],
      inverse: { kind: isResolving ? 'reopen_alert' : 'resolve_alert', alertId },
    }
  },
  do: async (trx, deps) => {
    const done =
      kind === 'resolve_alert'
        ? await resolveAlert(trx, alertId, deps.now())
        : await reopenAlert(trx, alertId)
    if (done === 0) throw new ActRefused('act_pointless', 'another alert about the same is open')
    return done
  },
})

/** A proposed kernel is refused. It is admitted by a signed statement only, which no console can make. */
export const rejectPlan = ({ proposalId }: ActOf<'reject_proposal'>): Plan => ({
  subject: proposalId,
  look: async trx => {
    const proposal = await findProposal(trx, proposalId)
    if (proposal === undefined) throw new ActRefused('not_found', `proposal ${proposalId}`)
    const { state, manifest } = proposal
    if (state !== 'received' && state !== 'checked') throw new ActRefused('proposal_closed', `it is ${state}`)
    const what =
      manifest === null ? 'not read yet' : `${manifest.name}@${manifest.version}: ${manifest.title}`
    return {
      touches: 1,
      sentence: 'is rejected for this reason, and its bytes are not kept',
      sample: [{ id: proposalId, what }],
      inverse: null,
    }
  },
  do: (trx, deps, reason) => {
    const reasons = [reasonOf('rejected_by_operator', reason, 'Propose another release that mends it.')]
    return decide(trx, proposalId, { state: 'rejected', reasons }, deps.now())
  },
})

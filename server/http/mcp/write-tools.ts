import { z } from 'zod'
import { CampaignView } from '#protocol/campaign.ts'
import { DryRun } from '#protocol/dry-run.ts'
import { EventCursor } from '#protocol/events.ts'
import { ProposeReply } from '#protocol/experiments.ts'
import { Recipe } from '#protocol/job.ts'
import { DETAIL_CHARS_MAX, NOTE_CHARS_MAX, NOTE_EVIDENCE_MAX } from '#protocol/limits.ts'
import { NoteKind, NoteView } from '#protocol/notes.ts'
import { line, lines } from '#protocol/text.ts'
import { CampaignId } from '#protocol/units.ts'
import type { Api } from './api.ts'
import { fenced, fitted } from './fence.ts'
import { ADDS_ONCE, campaignId, dryRun, ENDS, idempotencyKey, READS, type Tool, tool } from './tool.ts'

const pathOf = (id: string): string => `/campaigns/${id}`

const submit = tool({
  name: 'xee_submit',
  description:
    'Start a campaign: sets its quote aside from your budget; what is not used comes back. Try it with dry_run first.',
  hints: ADDS_ONCE,
  input: {
    campaign: z.record(z.string(), z.unknown()).describe('the same file that xee_validate takes'),
    ...{ idempotency_key: idempotencyKey, dry_run: dryRun },
  },
  run: async (api, { campaign, idempotency_key: key, dry_run }) => {
    if (dry_run) {
      const rehearsed = { method: 'POST', path: '/campaigns?dry_run=true', body: campaign } as const
      const { quote, setAsideMilli, balanceMilli, key: purse } = await api.ask(DryRun, rehearsed)
      const remainingMilli = purse?.remainingMilli ?? null
      return fenced({ dryRun: true, quote, setAsideMilli, afterwards: { balanceMilli, remainingMilli } })
    }
    const asked = { method: 'POST', path: '/campaigns', body: campaign, idempotencyKey: key } as const
    const { id, state, experiments, credit } = await api.ask(CampaignView, asked)
    return fenced({ dryRun: false, campaignId: id, state, experiments, credit })
  },
})

const PROPOSED_MAX = 20

const propose = tool({
  name: 'xee_propose',
  description:
    'Have recipes tried in a campaign of your account, beside those of its sampler. A recipe that it has already is `known` and costs nothing: repeating a call changes nothing.',
  hints: ADDS_ONCE,
  input: {
    campaign_id: campaignId,
    recipes: z
      .array(Recipe)
      .min(1)
      .max(PROPOSED_MAX)
      .describe('each names the parameters that differ from the campaign’s recipe'),
    dry_run: dryRun,
  },
  run: async (api, { campaign_id: id, recipes, dry_run }) => {
    const body = { recipes, dryRun: dry_run }
    const { experiments, ...rest } = await api.ask(ProposeReply, {
      ...{ method: 'POST', path: `${pathOf(id)}/experiments`, body },
    })
    // In the order of the recipes, which the caller knows.
    return fitted({ rows: experiments.length, detail: 'full' }, () => ({
      ...rest,
      experiments: experiments.map(({ recipe: _, ...answer }) => answer),
    }))
  },
})

const WAIT_S_MAX = 50 // clients give up on a call after a minute
const WAIT_S = 30
const LOOK_MS = 1_000

const wait = tool({
  name: 'xee_wait',
  description:
    'Wait until something happens in a campaign: an event, another valid result, or its end. Answers at once when that was so already; ask again with nextAfter and valid.',
  hints: READS,
  input: {
    campaign_id: campaignId,
    after: EventCursor.default('0-0').describe('nextAfter of the last answer'),
    valid: z.int().min(0).optional().describe('how many valid results you know of'),
    timeout_s: z.int().min(0).max(WAIT_S_MAX).default(WAIT_S),
  },
  run: async (api, { campaign_id: id, after, valid, timeout_s }) => {
    const until = performance.now() + timeout_s * 1000
    for (;;) {
      const leftMs = Math.max(0, until - performance.now())
      // Events are told at once. That a result became valid is no event: who asks for that is looked for again and again.
      const timeoutMs = valid === undefined ? leftMs : Math.min(LOOK_MS, leftMs)
      const { seen, changed } = await look(api, { id, after, valid, timeoutMs })
      if (changed || leftMs <= timeoutMs)
        return fitted({ rows: 20, detail: 'summary' }, rows => ({ changed, ...oldest(seen, rows) }))
    }
  },
})

interface Looked {
  readonly id: string
  readonly after: string
  readonly valid: number | undefined
  readonly timeoutMs: number
}

/** How a campaign stands once it has an event, or the time is over; at once when what is waited for is there. */
async function look(api: Api, { id, after, valid, timeoutMs }: Looked) {
  const first = await api.ask(CampaignView, { method: 'GET', path: pathOf(id) })
  const isOver = hasEnded(first) || (valid !== undefined && first.workUnits.valid !== valid)
  const events = await api.wait(CampaignId.parse(id), after, isOver ? 0 : timeoutMs)
  const view = isOver ? first : await api.ask(CampaignView, { method: 'GET', path: pathOf(id) })
  const { state, workUnits, best } = view
  const more = valid !== undefined && workUnits.valid !== valid
  return {
    seen: {
      state,
      workUnits,
      valid: workUnits.valid,
      best,
      events,
      nextAfter: events.at(-1)?.cursor ?? after,
    },
    changed: events.length > 0 || hasEnded(view) || more,
  }
}

const hasEnded = ({ state }: CampaignView): boolean => state === 'finished' || state === 'cancelled'

/** The oldest events that fit; the next call goes on after them, so none is passed over. */
function oldest({ events, ...seen }: Awaited<ReturnType<typeof look>>['seen'], rows: number) {
  const told = events.slice(0, rows)
  return {
    ...seen,
    events: told.map(({ detail, ...event }) => ({ ...event, untrusted: { detail } })),
    nextAfter: told.at(-1)?.cursor ?? seen.nextAfter,
  }
}

const note = tool({
  name: 'xee_note',
  description:
    'Write down what was learnt in a campaign of your account, with the experiments and results that it rests on.',
  hints: ADDS_ONCE,
  input: {
    ...{ campaign_id: campaignId, kind: NoteKind, text: lines(NOTE_CHARS_MAX).min(1) },
    evidence: z.array(z.string()).max(NOTE_EVIDENCE_MAX).default([]).describe('ids e_… and r_…'),
    ...{ idempotency_key: idempotencyKey, dry_run: dryRun },
  },
  run: async (api, { campaign_id: id, dry_run, idempotency_key: key, ...body }) => {
    if (dry_run) {
      await api.ask(CampaignView, { method: 'GET', path: pathOf(id) })
      return fenced({ dryRun: true })
    }
    const asked = { method: 'POST', path: `${pathOf(id)}/notes`, body, idempotencyKey: key } as const
    const { text: _, ...written } = await api.ask(NoteView, asked)
    return fenced({ dryRun: false, ...written })
  },
})

const stop = tool({
  name: 'xee_stop',
  description:
    'Pause, resume or stop a campaign of your account. Stopping ends it; what is in progress still counts and what was not spent comes back.',
  hints: ENDS,
  input: {
    ...{ campaign_id: campaignId, act: z.enum(['pause', 'resume', 'stop']) },
    reason: line(DETAIL_CHARS_MAX).min(1).optional().describe('of a stop; kept with the campaign'),
    dry_run: dryRun,
  },
  run: async (api, { campaign_id: id, act, reason, dry_run }) => {
    const asked = dry_run
      ? ({ method: 'GET', path: pathOf(id) } as const)
      : ({
          method: 'POST',
          path: `${pathOf(id)}/${act}`,
          body: reason === undefined ? {} : { reason },
        } as const)
    const { state, workUnits, credit } = await api.ask(CampaignView, asked)
    return fenced({ dryRun: dry_run, state, workUnits, credit })
  },
})

/** What acts, and what waits for others to. */
export const ACTING_TOOLS: readonly Tool[] = [submit, propose, wait, note, stop]

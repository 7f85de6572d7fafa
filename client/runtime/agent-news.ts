import type { ReportReply, SchedulerReply } from '#protocol/scheduler.ts'
import type { AgentEffect } from './agent-state.ts'

/** What an answered report leaves to do and to tell. */
export function answerEffects({
  resultId,
  outcome,
  code = 'refused',
  hint = '',
}: ReportReply): AgentEffect[] {
  const accepted = { ev: 'result.accepted', result: resultId } as const
  const refusal = { ev: 'result.refused', result: resultId, code, hint } as const
  return [
    { type: 'forget', resultId },
    { type: 'tell', news: outcome === 'accepted' ? accepted : refusal },
  ]
}

/** Verdicts and the server's words. An artifact is kept until its verdict (DESIGN §8). */
export function newsOf(reply: SchedulerReply): AgentEffect[] {
  const { balanceMilli } = reply.credit
  const verdicts = reply.verdicts.flatMap(({ resultId, verdict, milli }): AgentEffect[] => [
    { type: 'forget_artifact', resultId },
    { type: 'tell', news: { ev: 'result.verdict', result: resultId, verdict, milli, balanceMilli } },
  ])
  const notices = reply.notices.map((text): AgentEffect => ({ type: 'tell', news: { ev: 'notice', text } }))
  return [...verdicts, ...notices]
}

import type { AgentEvent, AgentState } from './agent-state.ts'

// So many calls got through only with a signature for each report: something on the way does not let the header of the one signature
// pass, and would cost each call another attempt.
const SIGNED_EACH_MAX = 3

/** How the next call is signed, after this reply. */
export function signingAfter(
  state: AgentState,
  { reply, signedEach = false }: AgentEvent & { type: 'replied' },
): Pick<AgentState, 'signsReports' | 'signedEach'> {
  const times = state.signedEach + (signedEach ? 1 : 0)
  return { signsReports: reply.signsReports === true && times < SIGNED_EACH_MAX, signedEach: times }
}

import type { AgentState } from './agent-state.ts'
import { EXIT } from './exit-codes.ts'

/** The exit code of a machine that has nothing left to do, or undefined. */
export function exitCode(state: AgentState): number | undefined {
  const { block, options } = state
  const computing = state.held.some(h => h.phase === 'running')
  if (block !== null && !computing)
    return { update: EXIT.update, quarantined: EXIT.auth, auth: EXIT.auth, refused: EXIT.failure }[
      block.reason
    ]
  if (state.held.length > 0 || state.outbox.length > 0 || state.inFlight !== null) return undefined
  if (state.intent !== 'run') return exitWhenStopped(state)
  if (options.count !== null && state.answered >= options.count)
    return { success: EXIT.ok, error: EXIT.failure, rejected: EXIT.rejected }[state.lastOutcome]
  return options.endWithoutWork && state.noWork ? EXIT.noWork : undefined
}

/** With what a stop ends: asked for, or because this machine must not compute. */
export const exitWhenStopped = (state: AgentState): number => (state.unfit ? EXIT.selfTest : EXIT.ok)

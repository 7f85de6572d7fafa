import { Refusal, Unreachable } from '#runtime/api.ts'
import { EXIT } from '#runtime/exit-codes.ts'
import type { Talk } from './talk.ts'

/** A command that cannot do what it was asked, with what to do about it. */
export class Failure extends Error {
  readonly exit: number
  readonly code: string
  readonly hint: string | undefined
  constructor(exit: number, code: string, { what, hint }: { what: string; hint?: string | undefined }) {
    super(what)
    this.name = 'Failure'
    this.exit = exit
    this.code = code
    this.hint = hint
  }
}

export const usage = (what: string, hint?: string): Failure =>
  new Failure(EXIT.usage, 'usage', { what, hint })

/** @param again this machine may go on with the strict engine */
export const selfTestFailure = (reason: string, again: boolean): Failure =>
  new Failure(EXIT.selfTest, 'self_test_failed', {
    what: `this machine failed its self-test: ${reason}`,
    hint: again
      ? 'Start again: the strict engine is used from now on.'
      : 'It cannot volunteer. Check its memory and overclocking (xeenet doctor).',
  })

/** Says what failed, why, and what to do next; the exit code. @throws what is a bug */
export function explain(error: unknown, talk: Talk): number {
  const { exit, code, title, hint, problem } = describe(error)
  if (talk.json) talk.data(JSON.stringify({ v: 1, ev: 'error', ...(problem ?? { code, title, hint }) }))
  else talk.say(`xeenet: ${title}${hint === undefined ? '' : `\n  ${hint}`}`)
  return exit
}

interface Described {
  readonly exit: number
  readonly code: string
  readonly title: string
  readonly hint?: string | undefined
  readonly problem?: object
}

function describe(error: unknown): Described {
  if (error instanceof Failure)
    return { exit: error.exit, code: error.code, title: error.message, hint: error.hint }
  if (error instanceof Unreachable)
    return {
      exit: EXIT.unreachable,
      code: 'server_unreachable',
      title: `the server cannot be reached: ${error.message}`,
      hint: 'Check the address (--server URL) and that the server runs.',
    }
  if (isSystemError(error))
    return {
      exit: EXIT.failure,
      code: 'system_error',
      title: error.message,
      hint: 'Look at the free space and the rights of that place.',
    }
  if (!(error instanceof Refusal)) throw error
  const { problem } = error
  return {
    exit: exitOf(error),
    code: problem.code,
    title: `${error.message} (${problem.code})`,
    hint: problem.hint,
    problem,
  }
}

/** A full disk, a directory that we may not write: the machine's, not ours. */
const isSystemError = (error: unknown): error is Error =>
  error instanceof Error && 'syscall' in error && 'errno' in error

function exitOf({ problem }: Refusal): number {
  if (problem.code === 'protocol_too_old') return EXIT.update
  if (problem.status === 401 || problem.status === 403) return EXIT.auth
  if (problem.status === 429 || problem.status >= 500) return EXIT.unreachable
  return problem.status === 422 ? EXIT.usage : EXIT.failure
}

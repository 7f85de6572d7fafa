/** Exit codes of the command line; service managers decide restarts by them. 130 and 143 are a second, impatient signal. */
export const EXIT = {
  ok: 0,
  failure: 1,
  usage: 2,
  unreachable: 3,
  auth: 4,
  alreadyRunning: 5,
  update: 6,
  noWork: 7,
  selfTest: 8,
  rejected: 9,
  interrupted: 130,
  terminated: 143,
} as const

export const EXIT_MEANINGS: readonly (readonly [code: number, meaning: string])[] = [
  [EXIT.ok, 'done, or stopped as asked'],
  [EXIT.failure, 'it failed; the message says why'],
  [EXIT.usage, 'the command, or a file it names, is not valid'],
  [EXIT.unreachable, 'the server cannot be reached; try again later'],
  [EXIT.auth, 'the token or the host is not accepted'],
  [EXIT.alreadyRunning, 'another client uses this state directory'],
  [EXIT.update, 'this client is too old for the server'],
  [EXIT.noWork, 'the server has no work for this host (--once)'],
  [EXIT.selfTest, 'this machine failed its self-test'],
  [EXIT.rejected, 'the server refused the result (--once)'],
  [EXIT.interrupted, 'a second Ctrl-C: stopped at once'],
  [EXIT.terminated, 'a second SIGTERM: stopped at once'],
]

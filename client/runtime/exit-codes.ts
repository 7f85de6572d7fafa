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

export const EXIT_MEANINGS: Readonly<Record<keyof typeof EXIT, string>> = {
  ok: 'done, or stopped as asked',
  failure: 'it failed; the message says why',
  usage: 'the command or a file it names is not valid',
  unreachable: 'the server cannot be reached; try again later',
  auth: 'the token or the host is not accepted',
  alreadyRunning: 'another client uses this state directory',
  update: 'this client is too old for the server',
  noWork: 'the server has no work for this host (--once)',
  selfTest: 'this machine failed its self-test',
  rejected: 'the server refused the result (--once)',
  interrupted: 'a second Ctrl-C: stopped at once',
  terminated: 'a second SIGTERM: stopped at once',
}

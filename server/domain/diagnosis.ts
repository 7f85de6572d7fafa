import type { Finding } from '#protocol/operator.ts'

/** What the console knows when it says what is wrong. Seconds of what waits longest; null: nothing waits. */
export interface Facts {
  readonly unsent: number
  readonly inProgress: number
  readonly activeHosts: number
  readonly verifiers: number
  readonly ended: number // results of the last hour
  readonly errorRate: number | null
  readonly daemons: readonly {
    readonly name: string
    readonly waiting: number
    readonly oldestSeconds: number | null
  }[]
  readonly deadLetters: number
  readonly balanced: boolean
  readonly unsealedSeconds: number | null
  readonly alerts: number
  readonly appeals: number
  readonly proposals: number
  readonly unsavedSeconds: number // since the last backup
  readonly failedShare: number // of requests
}

// A queue that is served is empty within seconds (ANSWER_MS_MAX asks again after 15): a minute is four times that.
const LATE_SECONDS = 60
// Blocks are sealed every few seconds; nobody is paid by them, so their being late is no emergency.
const UNSEALED_SECONDS = 600
// A backup a day is what people set up; two that were missed are no accident.
const UNSAVED_SECONDS = 3 * 24 * 3600
// A tenth of errors is what one bad host among ten makes; below twenty results one host's bad day is no rate.
const ERROR_RATE_WARN = 0.1
const ERROR_RATE_BAD = 0.3
const ENDED_MIN = 20
const FAILED_SHARE = 0.01

const LEVELS = ['bad', 'warn', 'info'] as const

/** What is wrong, the worst first; nothing when all is well. What users notice comes before what they do not. */
export function diagnose(facts: Facts): Finding[] {
  const found = [
    ledger(facts),
    requests(facts),
    ...late(facts),
    ...grid(facts),
    ...people(facts),
    ...unsaved(facts),
  ].flat()
  return LEVELS.flatMap(level => found.filter(finding => finding.level === level))
}

function ledger({ balanced, alerts, unsealedSeconds }: Facts): Finding[] {
  const findings: Finding[] = []
  if (!balanced)
    findings.push({
      ...{ level: 'bad', what: 'The ledger does not balance.' },
      causes: ['a row was changed by hand, or a bug moved credit one way only'],
      action: command('Find which rows', 'xeenet admin ledger audit'),
    })
  if (alerts > 0)
    findings.push({
      ...{ level: 'bad', what: `${count(alerts, 'invariant')} did not hold.` },
      causes: ['a bug, or a change by hand: each alert says about what'],
      action: page('Read the alerts', '/ops?tab=alerts'),
    })
  if (unsealedSeconds !== null && unsealedSeconds > UNSEALED_SECONDS)
    findings.push({
      ...{ level: 'warn', what: `No block was sealed for ${span(unsealedSeconds)}.` },
      causes: ['no process has the role seal', 'a transaction is open for that long'],
      action: command('Start one', 'xeenet serve --roles seal'),
    })
  return findings
}

const requests = ({ failedShare }: Facts): Finding[] =>
  failedShare <= FAILED_SHARE
    ? []
    : [
        {
          ...{ level: 'bad', what: `${percent(failedShare)} of the requests of the last minutes failed.` },
          causes: ['the database is away or slow', 'a bug: the log has it by its request id'],
          action: command('See what the machine needs', 'xeenet doctor'),
        },
      ]

const late = ({ daemons, deadLetters }: Facts): Finding[] => [
  ...daemons.flatMap(({ name, waiting, oldestSeconds }): Finding[] =>
    oldestSeconds === null || oldestSeconds <= LATE_SECONDS
      ? []
      : [
          {
            ...{ level: 'bad', what: `${name} is ${span(oldestSeconds)} behind; ${waiting} wait.` },
            causes: [
              `no process has the role ${name}, or it hangs`,
              'more comes in than is done',
              'one that cannot be done is tried again and again',
            ],
            action: page('Look at the units again', '/ops?tab=results&state=pending'),
          },
        ],
  ),
  ...(deadLetters === 0
    ? []
    : [
        {
          ...({ level: 'warn', what: `${count(deadLetters, 'wake-up')} failed on every retry.` } as const),
          causes: ['a report or a row that a handler cannot take: the letter has the error'],
          action: page('What they are about', '/ops?tab=letters'),
        },
      ]),
]

function grid({ unsent, inProgress, activeHosts, verifiers, errorRate, ended }: Facts): Finding[] {
  const findings: Finding[] = []
  if (errorRate !== null && ended >= ENDED_MIN && errorRate > ERROR_RATE_WARN)
    findings.push({
      level: errorRate > ERROR_RATE_BAD ? 'bad' : 'warn',
      what: `${percent(errorRate)} of the results of the last hour are errors.`,
      causes: ['a kernel that a class of hosts cannot run', 'one host that fails fast and asks again'],
      action: page('Which, by kernel and class', '/ops?tab=errors&hours=1'),
    })
  if (unsent > 0 && inProgress === 0 && activeHosts === 0)
    findings.push({
      ...{
        level: 'warn',
        what: `${count(unsent, 'result')} ${verb(unsent, 'waits', 'wait')}, and no host was heard for an hour.`,
      },
      causes: ['nobody volunteers yet', 'hosts cannot reach the server'],
      action: command('Lend this machine', 'xeenet up'),
    })
  if (verifiers === 0 && (unsent > 0 || inProgress > 0))
    findings.push({
      ...{ level: 'warn', what: 'No verifier was heard for an hour: records and disputes wait.' },
      causes: ['the server was started with --no-verifier', 'its token was revoked'],
      action: command('Start one', 'xeenet verify'),
    })
  return findings
}

const unsaved = ({ unsavedSeconds }: Facts): Finding[] =>
  unsavedSeconds <= UNSAVED_SECONDS
    ? []
    : [
        {
          ...({ level: 'warn', what: `No backup was made for ${span(unsavedSeconds)}.` } as const),
          causes: ['none is scheduled', 'the scheduled one fails: its log says why'],
          action: command('Make one', 'xeenet admin backup FILE'),
        },
      ]

function people({ appeals, proposals }: Facts): Finding[] {
  const findings: Finding[] = []
  if (appeals > 0)
    findings.push({
      ...{
        level: 'warn',
        what: `${count(appeals, 'appeal')} ${verb(appeals, 'waits', 'wait')} for a decision.`,
      },
      causes: [],
      action: page('Decide', '/ops?tab=appeals'),
    })
  if (proposals > 0)
    findings.push({
      ...{
        level: 'info',
        what: `${count(proposals, 'kernel')} ${verb(proposals, 'waits', 'wait')} to be signed off.`,
      },
      causes: [],
      action: page('Look at them', '/ops?tab=kernels'),
    })
  return findings
}

const page = (label: string, href: string) => ({ label, href, command: null })
const command = (label: string, text: string) => ({ label, href: null, command: text })
const count = (n: number, noun: string): string => `${n} ${noun}${n === 1 ? '' : 's'}`
const verb = (n: number, one: string, many: string): string => (n === 1 ? one : many)
const percent = (share: number): string => `${(100 * share).toFixed(share < 0.1 ? 1 : 0)} %`
const span = (seconds: number): string =>
  seconds < 120
    ? `${Math.round(seconds)} s`
    : seconds < 7200
      ? `${Math.round(seconds / 60)} min`
      : `${Math.round(seconds / 3600)} h`

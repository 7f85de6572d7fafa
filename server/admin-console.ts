import { type Command, InvalidArgumentError, Option } from 'commander'
import { readLetters } from '#operate/letters.ts'
import { readSymptoms } from '#operate/symptoms.ts'
import { type Act, LetterSubject, RoleName, UnitFilter } from '#protocol/acts.ts'
import { addMs, CampaignId, ProposalId, toWire, type UserId, Versioned } from '#protocol/units.ts'
import { readErrors } from '#store/symptoms.ts'
import { findUserByName } from '#store/users.ts'
import { act, actCounted, actOn, reasoned, reasonText } from './admin-acts.ts'
import { idOf, runOnDatabase, type Shared, verb } from './admin-verbs.ts'
import { systemClock } from './clock.ts'
import { OperatorError } from './operator.ts'

type Reasoned = Shared & { readonly reason: string }

/** What the console of the web does, as commands: see also `addActVerbs`, `addHostVerbs`. */
export function addConsoleVerbs(root: Command): void {
  addLookVerbs(root)
  addUnitVerbs(root)
  const campaign = root.command('campaign').description("others' campaigns")
  for (const word of ['pause', 'resume', 'end'] as const) {
    reasoned(verb(campaign, `${word} <id>`, `${word} a campaign`)).action((id: string, options: Reasoned) =>
      act(options, () => ({ kind: `${word}_campaign`, campaignId: idOf(CampaignId, id) })),
    )
  }
  addLetterVerbs(root)
  const proposal = root.command('proposal').description('kernels that others propose')
  reasoned(verb(proposal, 'reject <id>', 'refuse a proposed kernel')).action(
    (id: string, options: Reasoned) =>
      act(options, () => ({ kind: 'reject_proposal', proposalId: idOf(ProposalId, id) })),
  )
}

const HOUR_MS = 3600_000
const ERRORS_SHOWN = 200

function addLookVerbs(root: Command): void {
  verb(root, 'status', 'what is wrong, the worst first').action((options: Shared) =>
    runOnDatabase(options, async knex => {
      const view = await readSymptoms(knex, { now: systemClock(), failedShare: 0 })
      const { results, lastHour, lastDay, hosts, findings } = view
      const lines = [
        ...findings.flatMap(({ level, what, action }) => [
          `${level}: ${what}`,
          `  ${action.label}: ${action.command ?? action.href}`,
        ]),
        ...(findings.length === 0 ? ['nothing is wrong'] : []),
        `${results.unsent} unsent, ${results.inProgress} in progress, ${results.pending} await validation`,
        `last hour: ${lastHour.success} reported, ${lastHour.error} errors, ${lastHour.noReply} without a reply`,
        `${hosts.active} hosts and ${hosts.verifiers} verifiers heard in the last hour; new in a day: ${lastDay.users} users, ${lastDay.hosts} hosts`,
        ...view.daemons.map(
          ({ name, waiting, oldestSeconds }) =>
            `${name}: ${waiting} wait, ${Math.round(oldestSeconds ?? 0)} s`,
        ),
      ]
      return { json: view, lines, ok: findings.every(({ level }) => level !== 'bad') }
    }),
  )
  verb(root, 'errors', 'errors by kind, kernel and engine class')
    .option('--hours <n>', 'of so many hours', whole, 24)
    .action((options: Shared & { hours: number }) =>
      runOnDatabase(options, async knex => {
        const since = addMs(systemClock(), -options.hours * HOUR_MS)
        const found = await readErrors(knex, { since, limit: ERRORS_SHOWN })
        const rows = found.map(({ newestAt, ...row }) => ({ ...row, newestAt: toWire(newestAt) }))
        const lines = rows.map(
          row =>
            `${row.count}  ${row.error}  ${row.kernel}  ${row.engineClass}  ${row.hosts} hosts  ${(100 * row.share).toFixed(1)} %`,
        )
        return { json: { hours: options.hours, rows }, lines: lines.length === 0 ? ['no errors'] : lines }
      }),
    )
}

function addLetterVerbs(root: Command): void {
  const letter = root.command('letter').description('wake-ups that failed on every retry')
  verb(letter, 'list', 'what they are about, with the error, the latest first').action((options: Shared) =>
    runOnDatabase(options, async knex => {
      const view = await readLetters(knex)
      const lines = view.letters.flatMap(({ subject, daemon, count, lastAt, error }) => [
        `${subject}  ${daemon}  ${count} times  last ${lastAt}`,
        `  ${error ?? 'nothing was said'}`,
      ])
      return { json: view, lines: lines.length === 0 ? ['there is none'] : lines }
    }),
  )
  for (const [word, about] of [
    ['requeue', 'have what they are about looked at again'],
    ['discard', 'forget them; what they are about stays as it is'],
  ] as const) {
    reasoned(verb(letter, `${word} <ids...>`, about)).action((ids: string[], options: Reasoned) =>
      act(options, () => ({ kind: `${word}_letters`, subjects: ids.map(id => idOf(LetterSubject, id)) })),
    )
  }
}

interface FilterOptions extends Shared {
  readonly workUnit?: string
  readonly campaign?: string
  readonly owner?: string
  readonly kernel?: string
  readonly engineClass?: string
  readonly host?: string
  readonly state?: string
  readonly error?: string
  readonly olderThan?: number
  readonly reason?: string
  readonly count?: number
}

const UNIT_VERBS = {
  cancel: 'end open units without an answer',
  requeue: 'take leases away, and hand the work out again',
  revalidate: 'have the verifier compute standing answers again',
  unstick: 'look at units now, whatever they wait for',
} as const

function addUnitVerbs(root: Command): void {
  const unit = root.command('unit').description('work units by a filter; without --count nothing changes')
  for (const [word, about] of Object.entries(UNIT_VERBS)) {
    verb(unit, word, about)
      .option('--work-unit <id>', 'this one')
      .option('--campaign <id>', 'of this campaign')
      .option('--owner <id>', 'of campaigns of this user')
      .option('--kernel <name@version>', 'of this kernel')
      .option('--engine-class <class>', 'of this engine class')
      .option('--host <id>', 'of which this host has a result')
      .addOption(
        new Option('--state <state>', 'of which a result is').choices([
          'unsent',
          'in_progress',
          'pending',
          'over',
        ]),
      )
      .option('--error <code>', 'of which a result ended so')
      .option('--older-than <hours>', 'of which a result is older', whole)
      .option('--reason <text>', 'for the audit log', reasonText)
      .option('--count <n>', 'do it, if it touches no more than so many', whole)
      .action((options: FilterOptions) => actCounted(options, () => unitAct(`${word}_units`, options)))
  }
}

function unitAct(kind: string, options: FilterOptions): Act {
  const filter = UnitFilter.safeParse({
    ...{ workUnitId: options.workUnit, campaignId: options.campaign, ownerId: options.owner },
    ...{ kernel: options.kernel, engineClass: options.engineClass, hostId: options.host },
    ...{ state: options.state, error: options.error, olderThanHours: options.olderThan },
  })
  if (!filter.success)
    throw new OperatorError(
      'filter_malformed',
      filter.error.issues[0]?.message ?? '',
      'See --help for the fields.',
    )
  switch (kind) {
    case 'cancel_units':
    case 'requeue_units':
    case 'revalidate_units':
    case 'unstick_units':
      return { kind, filter: filter.data }
    default:
      throw new Error(`no act ${kind}`)
  }
}

/** `xeenet admin kernel deprecate` and `restore`. */
export function addKernelActs(kernel: Command): void {
  for (const [word, about] of [
    ['deprecate', 'take no campaigns with it any more; what runs goes on'],
    ['restore', 'take campaigns with it again'],
  ] as const) {
    reasoned(verb(kernel, `${word} <name@version>`, about)).action((name: string, options: Reasoned) =>
      act(options, () => ({ kind: `${word}_kernel`, kernel: idOf(Versioned, name) })),
    )
  }
}

/** `xeenet admin user role`, `quota`, `block` and `unblock`. */
export function addAccountActs(user: Command): void {
  reasoned(verb(user, 'role <name> <roles...>', `what a user is: ${RoleName.options.join(', ')}`)).action(
    (name: string, roles: string[], options: Reasoned) =>
      actOnUser(name, options, userId => {
        const wanted = roles.map(role => RoleName.safeParse(role))
        const known = wanted.flatMap(role => (role.success ? [role.data] : []))
        if (known.length < roles.length)
          throw new OperatorError(
            'role_unknown',
            roles.join(', '),
            `Roles are ${RoleName.options.join(', ')}.`,
          )
        return { kind: 'set_roles', userId, roles: known }
      }),
  )
  reasoned(verb(user, 'quota <name>', "how much may be open at once; what is left out is everybody's"))
    .option('--campaigns <n>', 'campaigns', whole)
    .option('--experiments <n>', 'experiments', whole)
    .action((name: string, options: Reasoned & { campaigns?: number; experiments?: number }) =>
      actOnUser(name, options, userId => ({
        ...{ kind: 'set_quota', userId },
        ...{ campaigns: options.campaigns ?? null, experiments: options.experiments ?? null },
      })),
    )
  for (const word of ['block', 'unblock'] as const) {
    reasoned(verb(user, `${word} <name>`, `${word} an account: its tokens and sessions`)).action(
      (name: string, options: Reasoned) =>
        actOnUser(name, options, userId => ({ kind: `${word}_user`, userId })),
    )
  }
}

const actOnUser = (name: string, options: Reasoned, actOf: (userId: UserId) => Act): Promise<void> =>
  runOnDatabase(options, async knex => {
    const user = await findUserByName(knex, name)
    if (user === undefined)
      throw new OperatorError(
        'user_unknown',
        `there is no user ${name}`,
        'xeenet admin user list names them.',
      )
    return actOn(knex, actOf(user.id), options.reason)
  })

function whole(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError('expected a whole number')
  return Number(text)
}

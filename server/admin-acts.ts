import { type Command, InvalidArgumentError } from 'commander'
import type { Knex } from 'knex'
import { lookAt, performCounted, undo } from '#operate/act.ts'
import type { ActDeps } from '#operate/deps.ts'
import { type Act, type ActView, Reason } from '#protocol/acts.ts'
import { ActId } from '#protocol/units.ts'
import { listActs, viewAct } from '#store/acts.ts'
import { touchWorkUnits } from '#store/wakes.ts'
import { idOf, runOnDatabase, type Said, type Shared, verb } from './admin-verbs.ts'
import { systemClock } from './clock.ts'
import { secureIds } from './ids.ts'

/** An act that needs a reason. */
export const reasoned = (command: Command): Command =>
  command.requiredOption('--reason <text>', 'for the audit log, and for whom it concerns', reasonText)

export function reasonText(text: string): string {
  const reason = Reason.safeParse(text)
  if (!reason.success) throw new InvalidArgumentError('one line of at most 500 characters')
  return reason.data
}

/** Does an act that is about one thing, under its reason. `wanted` may refuse what the command line says. */
export const act = (options: Shared & { readonly reason: string }, wanted: () => Act): Promise<void> =>
  runOnDatabase(options, knex => actOn(knex, wanted(), options.reason))

/** The same of an act that a look at the database makes. */
export async function actOn(knex: Knex, wanted: Act, reason: string): Promise<Said> {
  const deps = depsOf(knex)
  const { touches } = await lookAt(deps, wanted)
  return said(await performCounted(deps, { act: wanted, reason }, touches))
}

/**
 * An act on whatever a filter names: without `count` it says what it would touch, and changes nothing; with it, it is done
 * if it touches no more than that.
 */
export function actCounted(
  options: Shared & { readonly reason?: string; readonly count?: number },
  actOf: () => Act,
): Promise<void> {
  return runOnDatabase(options, async knex => {
    const [deps, wanted] = [depsOf(knex), actOf()]
    if (options.count === undefined || options.reason === undefined) {
      const { inverse: _, ...look } = await lookAt(deps, wanted)
      const lines = [look.sentence, ...look.sample.map(({ id, what }) => `  ${id}  ${what}`)]
      const how = `nothing has changed: add --count ${look.touches} --reason TEXT to do it`
      return { json: { act: wanted, ...look }, lines: [...lines, how] }
    }
    return said(await performCounted(deps, { act: wanted, reason: options.reason }, options.count))
  })
}

/** `xeenet admin acts` and `xeenet admin undo`. */
export function addActVerbs(root: Command): void {
  verb(root, 'acts', 'the audit log: what operators did, newest first')
    .option('--subject <id>', 'only what was about this host, account, campaign or kernel')
    .option('--kind <kind>', 'only acts of this kind')
    .action((options: Shared & { subject?: string; kind?: string }) =>
      runOnDatabase(options, async knex => {
        const { subject = null, kind = null } = options
        const rows = await listActs(knex, { kind, by: null, subject }, { after: null, limit: ACTS_SHOWN })
        const acts = rows.map(viewAct)
        return { json: { acts }, lines: acts.length === 0 ? ['nobody did anything'] : acts.flatMap(linesOf) }
      }),
    )
  reasoned(verb(root, 'undo <id>', 'take an act back, within ten minutes')).action(
    (id: string, options: Shared & { reason: string }) =>
      runOnDatabase(options, async knex =>
        said(await undo(depsOf(knex), { id: idOf(ActId, id), by: null, reason: options.reason })),
      ),
  )
}

const ACTS_SHOWN = 200

const said = (view: ActView): Said => ({ json: view, lines: linesOf(view) })

const linesOf = ({ id, at, by, act: done, touched, sentence, reason, undoneBy }: ActView): string[] => [
  `${id}  ${at}  ${done.kind}  ${touched} touched  by ${by?.name ?? 'the command line'}${undoneBy === null ? '' : `  undone by ${undoneBy}`}`,
  `  ${sentence}`,
  `  because: ${reason}`,
]

/** What acts at the command line need. A server that runs finds what they touched by its sweeps, within seconds; another when it starts. */
export const depsOf = (knex: Knex): ActDeps => ({
  ...{ knex, now: systemClock, ids: secureIds },
  wake: {
    workUnits: (trx, ids) => touchWorkUnits(trx, ids, systemClock()),
    campaigns: async () => undefined,
    hosts: async () => undefined,
    proposals: async () => undefined,
    exports: async () => undefined,
  },
})

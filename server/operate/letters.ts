import { DEAD_QUEUE } from '#jobs/deps.ts'
import type { Act, LetterSubject } from '#protocol/acts.ts'
import { ACT_LETTERS_MAX } from '#protocol/limits.ts'
import type { LetterList } from '#protocol/operator.ts'
import { CampaignId, ExportId, HostId, ProposalId, toWire, WorkUnitId } from '#protocol/units.ts'
import type { Trx } from '#store/database.ts'
import { type LetterRow, listLetters, takeLetters } from '#store/letters.ts'
import type { Executor } from '#store/rows.ts'
import type { Wake } from '#store/wake.ts'
import { ActRefused, type Plan } from './deps.ts'

/** What the jobs gave up on, the latest first. */
export async function readLetters(on: Executor): Promise<LetterList> {
  const rows = await listLetters(on, { queue: DEAD_QUEUE, subjects: null, limit: ACT_LETTERS_MAX })
  return {
    letters: rows.map(({ firstAt, lastAt, ...row }) => ({
      ...{ ...row, firstAt: toWire(firstAt), lastAt: toWire(lastAt) },
    })),
  }
}

const SAMPLE = 5

const SENTENCES = {
  requeue_letters: 'are looked at again now; what fails again becomes a letter again',
  discard_letters: 'are no longer shown; what they are about stays as it is',
} as const

/** What failed on every retry is tried again, or is put aside. */
export const letterPlan = ({
  kind,
  subjects,
}: Extract<Act, { subjects: readonly LetterSubject[] }>): Plan => ({
  subject: subjects.length === 1 ? (subjects[0] ?? null) : null,
  look: async trx => {
    const found = await listLetters(trx, { queue: DEAD_QUEUE, subjects, limit: ACT_LETTERS_MAX })
    if (found.length === 0) throw new ActRefused('act_pointless', 'no letter is about them any more')
    const sample = found.slice(0, SAMPLE).map(letter => ({ id: letter.subject, what: wordsOf(letter) }))
    return { touches: found.length, sentence: SENTENCES[kind], sample, inverse: null }
  },
  do: async (trx, { wake }) => {
    const taken = await takeLetters(trx, { queue: DEAD_QUEUE, subjects })
    if (kind === 'requeue_letters') await wakeAgain(trx, wake, taken)
    return taken.length
  },
})

const wordsOf = ({ daemon, count, error }: LetterRow): string =>
  `${daemon}, ${count} ${count === 1 ? 'time' : 'times'}: ${error ?? 'nothing was said'}`

/** What a webhook has to send is looked for every second anyway. */
async function wakeAgain(trx: Trx, wake: Wake, subjects: readonly LetterSubject[]): Promise<void> {
  const of = <Id>(schema: { safeParse(text: string): { data?: Id } }): Id[] =>
    subjects.flatMap(subject => schema.safeParse(subject).data ?? [])
  const [units, campaigns, hosts] = [of(WorkUnitId), of(CampaignId), of(HostId)]
  const [proposals, exports] = [of(ProposalId), of(ExportId)]
  if (units.length > 0) await wake.workUnits(trx, units)
  if (campaigns.length > 0) await wake.campaigns(trx, campaigns)
  if (hosts.length > 0) await wake.hosts(trx, hosts)
  if (proposals.length > 0) await wake.proposals(trx, proposals)
  if (exports.length > 0) await wake.exports(trx, exports)
}

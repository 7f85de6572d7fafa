import { claimFault } from '#domain/proposals.ts'
import { examineApart } from '#kernels/examine-apart.ts'
import { addMs, type ProposalId } from '#protocol/units.ts'
import { inTransaction } from '#store/database.ts'
import {
  decide,
  findProposal,
  listUnread,
  lockAdmitted,
  markChecked,
  readProposal,
} from '#store/proposals.ts'
import type { JobDeps } from './deps.ts'

/** Reads what was proposed, one after the other: checked, or rejected with every reason. Nothing of it is run. */
export async function runExamine(
  deps: Pick<JobDeps, 'knex' | 'now' | 'log'>,
  ids: readonly ProposalId[],
): Promise<void> {
  for (const id of ids) await examineOne(deps, id)
}

async function examineOne(
  { knex, now, log }: Pick<JobDeps, 'knex' | 'now' | 'log'>,
  id: ProposalId,
): Promise<void> {
  const proposal = await findProposal(knex, id)
  const release = await readProposal(knex, id)
  if (proposal?.state !== 'received' || release === undefined) return
  const examined = await examineApart(release) // outside of any transaction: it may take seconds
  const reasons = await inTransaction(knex, async trx => {
    if (!examined.ok) {
      await decide(trx, id, { state: 'rejected', reasons: examined.reasons }, now())
      return examined.reasons
    }
    const { manifest, moduleSha256 } = examined
    const { name, version, serial } = manifest
    const { ownerId } = proposal
    const { isOperator, ...admitted } = await lockAdmitted(trx, { ownerId, name, moduleSha256 })
    const fault = claimFault({ ownerId, isOperator, name, version, serial }, admitted)
    if (fault === undefined) await markChecked(trx, { id, manifest, moduleSha256 })
    else await decide(trx, id, { state: 'rejected', reasons: [fault] }, now())
    return fault === undefined ? [] : [fault]
  })
  log.info({ proposal: id, reasons: reasons.map(({ code }) => code) }, 'a kernel was proposed')
}

const UNREAD_MS = 60_000
const PER_SWEEP = 100

/** Asks again for a look at proposals that nobody acted on: their request got lost. Gives how many. */
export function sweepProposals({
  knex,
  now,
  enqueue,
}: Pick<JobDeps, 'knex' | 'now' | 'enqueue'>): Promise<number> {
  return inTransaction(knex, async trx => {
    const unread = await listUnread(trx, { before: addMs(now(), -UNREAD_MS), limit: PER_SWEEP })
    await enqueue(trx, 'examine', unread)
    return unread.length
  })
}

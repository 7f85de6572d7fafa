import { answerSelfTest as judgeSelfTest, owesSelfTest } from '#domain/trust.ts'
import { sweepHosts } from '#jobs/sweep.ts'
import { DAILY_QUOTA_START } from '#protocol/limits.ts'
import type { HostId, UserId } from '#protocol/units.ts'
import { inTransaction } from '#store/database.ts'
import { insertHost } from '#store/hosts.ts'
import { excludeHosts, lockStandings, saveStandings } from '#store/standing.ts'
import { sha256, testIds } from './builders.ts'
import { FUEL, type Lifecycle, rows, runJobs } from './lifecycle.ts'

interface HostSpec {
  readonly trusted?: boolean
  readonly userId?: UserId | null
  readonly ownerKey?: string
  /** Confirmed results in a row, each of one run's fuel. */
  readonly streak?: number
}

/** A host of a volunteer of its own, or of the operator. */
export async function addHost(
  life: Lifecycle,
  { trusted = false, userId = null, ownerKey, streak = 0 }: HostSpec = {},
): Promise<HostId> {
  const id = testIds.host(life.now())
  await insertHost(life.knex, {
    ...{
      id,
      userId,
      name: `host ${id}`,
      trusted,
      ownerKey: ownerKey ?? userId ?? id,
      publicKey: id,
      tokenHash: sha256(id),
    },
    ...{ client: 'test', engineClasses: ['wasm'], cores: 2, memoryMiB: 4096, dailyQuota: DAILY_QUOTA_START },
    now: life.now(),
  })
  if (streak > 0)
    await rows(
      life,
      `insert into streaks (host_id, engine_class, count, fuel) values (:id, 'wasm', ${streak}, ${streak * FUEL})`,
      { id },
    )
  return id
}

/** What a host says of a self-test as often as one is demanded, as the edge takes it. */
export async function answerSelfTest(life: Lifecycle, hostId: HostId, passed: boolean): Promise<void> {
  await inTransaction(life.knex, async trx => {
    const before = (await lockStandings(trx, [hostId])).get(hostId)
    if (before === undefined) throw new Error(`no host ${hostId}`)
    const once = judgeSelfTest(before, passed)
    const after = owesSelfTest(once) ? judgeSelfTest(once, passed) : once
    await saveStandings(trx, [after])
    if (after.state === 'quarantined')
      await excludeHosts(trx, [{ hostId, reason: 'it differs from the verifier, and is sound' }], life.now())
  })
  await sweepHosts(life.deps)
  await runJobs(life)
}

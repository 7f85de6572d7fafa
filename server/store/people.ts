import { z } from 'zod'
import { HostId, type Instant, type UserId, type WorkUnitId } from '#protocol/units.ts'
import type { Trx } from './database.ts'
import { freeLeases } from './leases.ts'
import { execute, select, selectFirst, toDb } from './rows.ts'

const User = z.object({ isOperator: z.boolean(), running: z.int() })

const LOCK_USER = `
  select 'operator' = any(roles) as "isOperator",
    (select count(*) from campaigns where owner_id = users.id and state = 'running') as running
  from users where id = :userId and deleted_at is null for update`
const HOSTS = `select id from hosts where user_id = :userId order by id`
const FORGET_TOKENS = `delete from tokens where user_id = :userId`
const FORGET_WEBHOOKS = `delete from webhooks where owner_id = :userId`
// The id stays: ledger rows and campaigns name it. It is random, and nothing leads from it to a person any more.
const FORGET_USER = `
  update users set name = 'deleted ' || right(id, 10), name_key = id, email = null, roles = '{}', deleted_at = :now
  where id = :userId`
const FORGET_PASSWORD = `delete from passwords where user_id = :userId`
const FORGET_SESSIONS = `delete from sessions where user_id = :userId`
const FORGET_ANSWERS = `delete from idempotent_calls where user_id = :userId`
const RETIRE_HOSTS = `
  update hosts set state = 'retired', name = 'deleted', prefix = null, prefix_seen_at = null where id = any(:hostIds)`
const WITHDRAW = `
  update kernel_proposals set state = 'withdrawn', release = null, decided_at = :now
  where owner_id = :userId and state in ('received', 'checked')`
const PARTIES = `select 'user:' || :userId union all select 'host:' || unnest(cast(:hostIds as text[]))`
const SEVER = `delete from pseudonyms where party in (${PARTIES})`
const SEVER_ACTIONS = `update actions set party = null, detail = '' where party in (${PARTIES})`
const SEVER_HOSTS = `delete from action_hosts where host_id = any(:hostIds)`
const FORGET_WORDS = `update appeals set words = '', user_id = null where host_id = any(:hostIds) or user_id = :userId`

export interface Deleted {
  readonly outcome: 'deleted' | 'campaigns_running' | 'is_operator' | 'unknown'
  /** Work units whose leases became free. */
  readonly woken: readonly WorkUnitId[]
}

/**
 * Deletes an account: its name, tokens, words and pseudonym. Its hosts retire, its published results and ledger rows stay.
 * Refused while campaigns of it run.
 */
export async function deleteUser(trx: Trx, userId: UserId, now: Instant): Promise<Deleted> {
  // First, although accounts come before everything else then: nothing that holds a work unit or a host waits for a user.
  const outcome = refusalOf(await selectFirst(trx, User, LOCK_USER, { userId }))
  if (outcome !== undefined) return { outcome, woken: [] }
  const hosts = await select(trx, z.object({ id: HostId }), HOSTS, { userId })
  const hostIds = hosts.map(({ id }) => id)
  const woken = await freeLeases(trx, hostIds, now)
  await execute(trx, RETIRE_HOSTS, { hostIds })
  await execute(trx, FORGET_TOKENS, { userId })
  await execute(trx, FORGET_WEBHOOKS, { userId })
  await execute(trx, FORGET_PASSWORD, { userId })
  await execute(trx, FORGET_SESSIONS, { userId })
  await execute(trx, FORGET_ANSWERS, { userId })
  await execute(trx, WITHDRAW, { userId, now: toDb(now) })
  await execute(trx, FORGET_USER, { userId, now: toDb(now) })
  await execute(trx, FORGET_WORDS, { userId, hostIds })
  await execute(trx, SEVER, { userId, hostIds })
  await execute(trx, SEVER_ACTIONS, { userId, hostIds })
  await execute(trx, SEVER_HOSTS, { hostIds })
  return { outcome: 'deleted', woken }
}

function refusalOf(
  user: z.infer<typeof User> | undefined,
): Exclude<Deleted['outcome'], 'deleted'> | undefined {
  if (user === undefined) return 'unknown'
  if (user.isOperator) return 'is_operator'
  return user.running > 0 ? 'campaigns_running' : undefined
}

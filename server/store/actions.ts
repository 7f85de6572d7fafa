import { randomBytes } from 'node:crypto'
import { z } from 'zod'
import { ActionId, HostId, type Instant, type UserId } from '#protocol/units.ts'
import type { Trx } from './database.ts'
import { type Executor, execute, select, selectFirst, selectOne, Timestamp, toDb } from './rows.ts'

/** Whom an action is about: an account, or a host that nobody claimed. */
export type Party = `user:${string}` | `host:${string}`
const Party = z.custom<Party>(value => typeof value === 'string' && /^(user|host):/.test(value))

export const partyOf = (host: { readonly id: HostId; readonly userId: UserId | null }): Party =>
  host.userId === null ? `host:${host.id}` : `user:${host.userId}`

export interface NewAction {
  readonly id: ActionId
  readonly kind: 'quarantine' | 'release'
  readonly party: Party
  readonly hostIds: readonly HostId[]
  readonly actor: 'server' | 'operator'
  readonly reason: string // for everybody: names nobody and nothing that leads to anybody
  readonly detail: string // for operators
  /** Until when it can be appealed; from then on it is public. What is good news is public with what it undoes. */
  readonly appealUntil: Instant
}

const KEEP_PSEUDONYM = `
  insert into pseudonyms (party, pseudonym) values (:party, :proposed) on conflict do nothing`
const INSERT_ACTION = `
  insert into actions (id, kind, party, pseudonym, actor, reason, detail, at, appeal_until)
  select :id, cast(:kind as action_kind), :party, pseudonym, :actor, left(:reason, 500), :detail, :now, :appealUntil
  from pseudonyms where party = :party`
const INSERT_HOSTS = `insert into action_hosts (action_id, host_id) select :id, unnest(cast(:hostIds as text[]))`

/** Writes down what was done, under the pseudonym of whom it was done to. */
export async function addAction(
  trx: Trx,
  { hostIds, appealUntil, ...action }: NewAction,
  now: Instant,
): Promise<void> {
  const { id, party } = action
  await execute(trx, KEEP_PSEUDONYM, { party, proposed: `p_${randomBytes(8).toString('hex')}` })
  await execute(trx, INSERT_ACTION, { ...action, now: toDb(now), appealUntil: toDb(appealUntil) })
  await execute(trx, INSERT_HOSTS, { id, hostIds })
}

const AppealState = z.enum(['none', 'open', 'upheld', 'rejected'])

const ActionRow = z.object({
  id: ActionId,
  kind: z.enum(['quarantine', 'release']),
  pseudonym: z.string(),
  actor: z.enum(['server', 'operator']),
  reason: z.string(),
  detail: z.string(),
  at: Timestamp,
  appealUntil: Timestamp,
  appeal: AppealState,
  decision: z.string().nullable(),
  words: z.string().nullable(),
  hostIds: z.array(HostId),
})
export type ActionRow = z.infer<typeof ActionRow>

const COLUMNS = `
  a.id, a.kind, a.pseudonym, a.actor, a.reason, a.detail, a.at, a.appeal_until as "appealUntil",
  case when p.action_id is null then 'none' when p.decision is null then 'open' else cast(p.decision as text) end as appeal,
  p.reason as decision, p.words,
  array(select h.host_id from action_hosts h where h.action_id = a.id order by h.host_id) as "hostIds"`

// What is public is said once more in domain/appeal.ts; here it bounds the page.
const LIST = `
  select ${COLUMNS} from actions a left join appeals p on p.action_id = a.id
  where (cast(:after as text) is null or a.id < :after) and (:all or a.appeal_until < :now or p.decision is not null)
  order by a.id desc limit :limit`

/** Actions, newest first; with `all` also those that are not public yet. */
export const listActions = (
  on: Executor,
  page: { after: string | null; limit: number; all: boolean; now: Instant },
): Promise<ActionRow[]> => select(on, ActionRow, LIST, { ...page, now: toDb(page.now) })

const LATEST = `
  select ${COLUMNS} from actions a left join appeals p on p.action_id = a.id
  where a.id = (select max(x.action_id) from action_hosts x join actions b on b.id = x.action_id
    where x.host_id = :hostId and b.kind = 'quarantine')`

/** The last exclusion of a host, also one that is over. */
export const lastExclusion = (on: Executor, hostId: HostId): Promise<ActionRow | undefined> =>
  selectFirst(on, ActionRow, LATEST, { hostId })

export interface NewAppeal {
  readonly actionId: ActionId
  readonly hostId: HostId
  readonly userId: UserId | null
  readonly words: string
  readonly now: Instant
}

const APPEAL = `
  insert into appeals (action_id, host_id, user_id, words, filed_at) values (:actionId, :hostId, :userId, :words, :now)
  on conflict do nothing`

/** Files an appeal; false when there is one. */
export const insertAppeal = async (on: Executor, { now, ...appeal }: NewAppeal): Promise<boolean> =>
  (await execute(on, APPEAL, { ...appeal, now: toDb(now) })) === 1

const AppealRow = z.object({
  actionId: ActionId,
  hostId: HostId,
  pseudonym: z.string(),
  reason: z.string(),
  detail: z.string(),
  words: z.string(),
  filedAt: Timestamp,
  decision: z.enum(['upheld', 'rejected']).nullable(),
})
export type AppealRow = z.infer<typeof AppealRow>

const APPEALS = `
  select p.action_id as "actionId", p.host_id as "hostId", a.pseudonym, a.reason, a.detail, p.words,
    p.filed_at as "filedAt", p.decision
  from appeals p join actions a on a.id = p.action_id
  where p.decision is null or :all order by p.filed_at, p.action_id limit :limit`

/** Appeals, oldest first; with `all` also those that were decided. */
export const listAppeals = (on: Executor, page: { all: boolean; limit: number }): Promise<AppealRow[]> =>
  select(on, AppealRow, APPEALS, page)

const OPEN_APPEAL = `select action_id as id from appeals where action_id = :actionId and decision is null`

/** The appeal of an action that waits for its decision. */
export const findOpenAppeal = async (on: Executor, actionId: ActionId): Promise<ActionId | undefined> =>
  (await selectFirst(on, z.object({ id: ActionId }), OPEN_APPEAL, { actionId }))?.id

const DECIDE = `
  update appeals set decision = cast(:decision as appeal_decision), reason = :reason, decided_at = :now
  where action_id = :actionId and decision is null`

/** Decides an open appeal; false when there is none. */
export const decideAppeal = async (
  trx: Trx,
  { now, ...decided }: { actionId: ActionId; decision: 'upheld' | 'rejected'; reason: string; now: Instant },
): Promise<boolean> => (await execute(trx, DECIDE, { ...decided, now: toDb(now) })) === 1

const CONCERNED = `select host_id as id from action_hosts where action_id = :actionId order by host_id`

/** The hosts that an action concerned, ids ascending. */
export const hostsConcerned = async (on: Executor, actionId: ActionId): Promise<HostId[]> =>
  (await select(on, z.object({ id: HostId }), CONCERNED, { actionId })).map(({ id }) => id)

const PARTY = `select party from actions where id = :actionId`

/** Whom an action was about; null once the account was deleted. */
export const partyConcerned = async (on: Executor, actionId: ActionId): Promise<Party | null> =>
  (await selectOne(on, z.object({ party: Party.nullable() }), PARTY, { actionId })).party

// What the database and the kernel of this machine say of a server under load.

import { globSync, readFileSync } from 'node:fs'
import type { Knex } from 'knex'
import { z } from 'zod'
import { TRUST } from '#domain/trust.ts'
import { selectOne } from '#store/rows.ts'
import { PENDING } from '#store/symptoms.ts'

/** Where the results are. Counts are of all campaigns. */
const Stages = z.object({
  unsent: z.int(),
  inProgress: z.int(),
  /** Reported, and not judged. */
  unjudged: z.int(),
  /** Judged canonical, and not yet in the corpus. */
  unpublished: z.int(),
  unsealed: z.int(),
  walBytes: z.int(),
})
export type Stages = z.infer<typeof Stages>

// Each by an index of what is in flight: a look costs the same whatever is in the tables.
const STAGES = `
  select
    (select count(*) from results where state = 'unsent')::int as unsent,
    (select count(*) from results where state = 'in_progress')::int as "inProgress",
    ${PENDING}::int as unjudged,
    (select count(*) from work_units where awaits = 'assimilate')::int as unpublished,
    (select count(*) from transfers where id > coalesce(
      (select last_id from blocks order by number desc limit 1), 0))::int as unsealed,
    pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint as "walBytes"`

/** Where the results are now. */
export const stagesOf = (knex: Knex): Promise<Stages> => selectOne(knex, Stages, STAGES)

const Flow = z.object({ reported: z.int(), published: z.int() })
/** How many results were reported, and how many runs published, in some time. */
export type Flow = z.infer<typeof Flow>

const FLOW = `
  select
    (select count(*) from results where reported_at > :from and reported_at <= :until and outcome = 'success')::int as reported,
    (select count(*) from corpus where published_at > :from and published_at <= :until)::int as published`

/** By the clock of the server. It is asked about the past: it reads all that it counts, and what is written has its time before it is there. */
export const flowOf = (knex: Knex, { from, until }: { from: Date; until: Date }): Promise<Flow> =>
  selectOne(knex, Flow, FLOW, { from: from.toISOString(), until: until.toISOString() })

const LEADERLESS = `
  select count(*)::int as n from campaigns c
  where (select count(*) from (select from experiment_scores s where s.campaign_id = c.id and s.mean is not null limit ${4 * TRUST.leaderRows}) as led)
    < ${4 * TRUST.leaderRows}`

/** Campaigns with so few verified runs that almost any other would be among their best. */
export const countLeaderless = async (knex: Knex): Promise<number> =>
  (await selectOne(knex, z.object({ n: z.int() }), LEADERLESS)).n

const TICKS_PER_SECOND = 100 // of /proc, on every Linux that there is

/** Processor seconds of a process, with its children that ended. Zero where there is no /proc. */
export function processorSeconds(pid: number): number {
  const fields = statOf(pid)
  return fields === undefined
    ? 0
    : fields.slice(11, 15).reduce((sum, n) => sum + Number(n), 0) / TICKS_PER_SECOND
}

/** Processor seconds of the children of a process: PostgreSQL's backends. */
export function childrenSeconds(parent: number): number {
  return childrenOf(parent).reduce((sum, pid) => sum + processorSeconds(pid), 0)
}

/** Resident memory, MiB. */
export function residentMib(pid: number): number {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8')
    return Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? 0) / 1024
  } catch {
    return 0 // it ended, or there is no /proc
  }
}

const childrenOf = (parent: number): number[] =>
  globSync('/proc/[0-9]*')
    .map(path => Number(path.slice('/proc/'.length)))
    .filter(pid => Number(statOf(pid)?.[1]) === parent)

/** The fields of /proc/PID/stat behind the name, which may contain spaces. */
function statOf(pid: number): string[] | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return text.slice(text.lastIndexOf(')') + 2).split(' ')
  } catch {
    return undefined // it ended, or there is no /proc
  }
}

/** The process that started another. */
export const parentOf = (pid: number): number | undefined => {
  const parent = statOf(pid)?.[1]
  return parent === undefined ? undefined : Number(parent)
}

import { setTimeout as sleep } from 'node:timers/promises'
import { unreachable } from '#domain/invariant.ts'
import { CRON_LOCK } from '#store/leadership.ts'
import type { Cast } from './cast.ts'
import { between, type Fault } from './draw.ts'
import type { Crowd } from './hosts.ts'
import { type Stage, statement } from './stage.ts'

export interface Scene {
  readonly stage: Stage
  readonly cast: Cast
  readonly crowd: Crowd
  /** The run's database, around the bad network. */
  readonly database: string
  /** Kills the real client, and starts it again. */
  killClient(): Promise<void>
}

const NETWORK_MS = [200, 1_000] as const
// Longer than the leases, shorter than anybody's patience: what a fast clock puts off really comes so much later.
const CLOCK_MS = [3_000, 8_000] as const
const DISK_MS = 40
const FULL_MS = 800

/** Lets one fault happen, and waits until it is over. */
export async function befall(scene: Scene, { kind, draw }: Fault): Promise<void> {
  const { stage, cast, crowd } = scene
  const { toDatabase, toServer, http, work, all } = cast
  const which = draw < 0.5 ? 0 : 1
  const networkMs = between(draw, ...NETWORK_MS)
  switch (kind) {
    case 'kill_http':
      return http[which].now().end('SIGKILL')
    case 'kill_work':
      return work[which].now().end('SIGKILL')
    case 'kill_leader':
      return killLeader(scene)
    case 'kill_client':
      return scene.killClient()
    case 'kill_backend':
      return killBackend(scene, draw)
    case 'kill_postgres':
      return stage.postgres.end('SIGKILL')
    case 'restart_postgres':
      return stage.postgres.end('SIGINT')
    case 'cut_leader':
      return void (await statement(scene.database, CUT_LEADER))
    case 'cut_database':
      return toDatabase.cut()
    case 'stall_database':
      return toDatabase.stall(networkMs)
    case 'drop_database':
      return toDatabase.drop(networkMs)
    case 'cut_clients':
      return toServer.cut()
    case 'stall_clients':
      return toServer.stall(networkMs)
    case 'drop_clients':
      return toServer.drop(networkMs)
    case 'clock_jump':
      return jump(scene, draw)
    case 'report_twice':
      return crowd.repeat()
    case 'job_twice':
      return void (await statement(scene.database, JOBS_TWICE))
    case 'upgrade':
      return upgrade(scene)
    case 'poison':
      return // it was there before the hosts were (poison.ts)
    case 'slow_disk':
      for (const process of all) process.now().disturb({ diskMs: DISK_MS })
      return
    case 'full_disk':
      return fillDisk(stage)
    default:
      return unreachable(kind)
  }
}

// Every wake-up again, also those that are done; and a look at every unit.
const JOBS_TWICE = `
  insert into pgboss.job (name, data) select name, data from pgboss.job where name <> 'dead';
  insert into touched_units (work_unit_id, at) select id, now() from work_units`

const BACKENDS = `
  select pid from pg_stat_activity
  where datname = current_database() and pid <> pg_backend_pid() and application_name like 'xeenet%' order by pid`

const LEADER = `
  from pg_locks l join pg_stat_activity a using (pid)
  where l.locktype = 'advisory' and l.objid = ${CRON_LOCK} and l.granted and a.datname = current_database()`
const CUT_LEADER = `select pg_terminate_backend(a.pid) ${LEADER}`

/** The process that sweeps, whichever of the two it is; its session bears its number. */
async function killLeader({ database, cast: { work } }: Scene): Promise<void> {
  const [leader] = await statement(database, `select a.application_name as name ${LEADER}`)
  await work
    .find(each => leader?.name === `xeenet cron ${each.now().pid}`)
    ?.now()
    .end('SIGKILL')
}

/** Every process gives way to one of the next release, one after the other, and the first of them migrates. */
async function upgrade({ stage, cast: { work, http } }: Scene): Promise<void> {
  const next = await stage.nextRelease()
  for (const process of work) await process.upgrade(next)
  for (const process of http) {
    await process.upgrade(next)
    await process.now().ready.catch(() => undefined) // another fault met it; whoever takes its place is of this release too
  }
}

/** One process of PostgreSQL, as the kernel does when memory is short: the others then start anew. */
async function killBackend({ database }: Scene, draw: number): Promise<void> {
  const pids = await statement(database, BACKENDS)
  const pid = pids[Math.floor(draw * pids.length)]?.pid
  if (typeof pid === 'number') process.kill(pid, 'SIGKILL')
}

/** The clock of one process jumps, forth or back. */
function jump({ cast: { all } }: Scene, draw: number): void {
  const which = Math.floor(draw * all.length)
  const within = draw * all.length - which
  const ms = between(Math.abs(within - 0.5) * 2, ...CLOCK_MS)
  all[which]?.now().disturb({ clockMs: within < 0.5 ? -ms : ms })
}

async function fillDisk({ disk }: Stage): Promise<void> {
  if (disk === undefined) throw new Error('there is no small disk to fill')
  try {
    await disk.fill()
    await sleep(FULL_MS)
  } finally {
    await disk.empty()
  }
}

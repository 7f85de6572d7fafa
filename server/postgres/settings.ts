import { readdir, stat, statfs } from 'node:fs/promises'
import { totalmem } from 'node:os'
import { join } from 'node:path'
import { type Endpoint, endpointSettings } from './endpoint.ts'

const MIB = 1024 * 1024

/** An eighth of the machine's memory, which may have other things to do; PostgreSQL takes of it what it uses. */
const sharedBuffersMib = (bytes: number): number => Math.min(1024, Math.max(64, Math.floor(bytes / 8 / MIB)))

/**
 * How much log may lie between two checkpoints, after each of which every page that changes is logged whole once more: with 2 GiB
 * a busy server wrote half as much log again, with 8 none of note. It is only taken by who is that busy, and may not fill the disk.
 */
const maxWalMib = (freeBytes: number): number =>
  Math.min(8 * 1024, Math.max(256, Math.floor(freeBytes / 8 / MIB)))

/** The settings that depend on the disk of a cluster. One that does not tell what is free stops no start: its log is kept short. */
export async function diskSettings(
  cluster: string,
  warn: (fields: object, message: string) => void,
): Promise<Record<string, string>> {
  const free = await freeOn(cluster).catch(error => {
    warn({ error, cluster }, 'the disk does not tell what is free: PostgreSQL keeps little log')
    return 0
  })
  return { max_wal_size: `${maxWalMib(free)}MB` }
}

/** What is free on the disk of a cluster, in bytes, and what its log has of it: a start after a busy day gets no less than the one before. */
async function freeOn(cluster: string): Promise<number> {
  const { bavail, bsize } = await statfs(cluster)
  const log = join(cluster, 'pg_wal')
  const sizes = (await readdir(log)).map(name => sizeOf(join(log, name)))
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, bavail * bsize)
}

// A server that was just told to end may still put files away.
const sizeOf = (path: string): Promise<number> =>
  stat(path).then(
    ({ size }) => size,
    () => 0,
  )

/**
 * What the embedded server is started with, `more` over our own settings. Given at each start, so that a newer version
 * may change them.
 */
export function serverArguments(
  cluster: string,
  endpoint: Endpoint,
  more: Readonly<Record<string, string>>,
): string[] {
  const settings: Record<string, string> = {
    ...endpointSettings(endpoint),
    // Nothing is lost: an answered commit is on the disk.
    fsync: 'on',
    synchronous_commit: 'on',
    full_page_writes: 'on',
    max_connections: '60', // the server's pool, pg-boss's pool and a few people with psql
    shared_buffers: `${sharedBuffersMib(totalmem())}MB`,
    min_wal_size: '32MB',
    wal_level: 'minimal', // no replicas: less to write
    max_wal_senders: '0',
    checkpoint_timeout: '15min',
    random_page_cost: '1.1', // volunteers' and researchers' disks are solid-state
    jit: 'off', // short queries only
    default_statistics_target: '20', // its daemon counts as we do (store/maintenance.ts)
    timezone: 'UTC',
    log_timezone: 'UTC',
    lc_messages: 'C',
    // Refused statements are the application's to log; only the server's own events go to the file, which keeps it small.
    log_min_messages: 'log',
    log_checkpoints: 'off',
    logging_collector: 'off',
    ...more,
  }
  return ['-D', cluster, ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])]
}

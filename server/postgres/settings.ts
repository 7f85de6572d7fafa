import { statfsSync } from 'node:fs'
import { totalmem } from 'node:os'
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

/** What is free on the disk of a directory, in bytes; 0 where that is not told. */
function freeOn(directory: string): number {
  try {
    const { bavail, bsize } = statfsSync(directory)
    return bavail * bsize
  } catch {
    return 0
  }
}

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
    max_wal_size: `${maxWalMib(freeOn(cluster))}MB`,
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

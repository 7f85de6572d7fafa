import { access, constants, readdir, stat, statfs } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Knex } from 'knex'
import { z } from 'zod'
import type { Check } from '#protocol/check.ts'
import { isProven } from '#protocol/report-signature.ts'
import type { Instant } from '#protocol/units.ts'
import { BucketError, openBucket } from '#store/bucket.ts'
import { readDatabaseFacts, sampleReports } from '#store/doctor.ts'
import { listFiles } from '#store/files.ts'
import { countPending } from '#store/migrate.ts'
import { readUpkeep } from '#store/upkeep.ts'
import type { Config } from './config.ts'
import { openFiles, proveBucket } from './files.ts'
import { secretsDirectory } from './secrets.ts'

// `xeenet admin doctor`: what a server needs, one check each, with the remedy for what it lacks. It changes nothing.

interface Patient {
  readonly config: Config
  /** Undefined: it does not answer, for this reason. */
  readonly knex: Knex | undefined
  readonly why: string
  readonly now: () => Instant
}

export async function examineServer({ config, knex, why, now }: Patient): Promise<Check[]> {
  const database = knex === undefined ? [away(config, why)] : await examineDatabase(knex, now)
  return [
    ...database,
    ...(await examineKeys(config)),
    await examineDisk(config),
    await examineFiles(config, knex),
    await examinePublicUrl(config),
    examineProxies(config),
  ]
}

const must = (name: string, ok: boolean, found: string, remedy: string): Check => ({
  ...{ name, ok, level: 'must', found, remedy },
})
const warn = (name: string, ok: boolean, found: string, remedy: string): Check => ({
  ...{ name, ok, level: 'warn', found, remedy },
})

const away = ({ databaseUrl }: Config, why: string): Check =>
  must(
    'database',
    false,
    why,
    databaseUrl === undefined ? 'Start the server once: xeenet serve.' : 'Check DATABASE_URL.',
  )

// The oldest on which the migrations were run; the tests run on 18.
const VERSION_MIN = 150_000
const VERSION_TESTED = 180_000
// The server's pool, pg-boss's and a listener, once for a process that is restarted while the old one drains.
const CONNECTIONS_MIN = 2 * 21
// Deadlines are written by the processes and read by the database.
const CLOCK_MS_MAX = 1_000
const BACKUP_MS_MAX = 3 * 24 * 3600_000
const RESTORE_MS_MAX = 90 * 24 * 3600_000

async function examineDatabase(knex: Knex, now: () => Instant): Promise<Check[]> {
  const facts = await readDatabaseFacts(knex)
  const apartMs = Math.abs(facts.now - now())
  const version = `PostgreSQL ${Math.floor(facts.version / 10_000)}.${facts.version % 10_000}`
  const pending = await countPending(knex)
  return [
    must('database', facts.version >= VERSION_MIN, version, 'Use PostgreSQL 15 or newer.'),
    warn('tested', facts.version >= VERSION_TESTED, `${version}, tests run on 18`, 'Prefer PostgreSQL 18.'),
    must('encoding', facts.encoding === 'UTF8', facts.encoding, 'Create the database with encoding UTF8.'),
    must(
      'rights',
      facts.mayCreateSchemas && facts.mayCreateTables,
      `may create schemas: ${facts.mayCreateSchemas}, tables: ${facts.mayCreateTables}`,
      'Make the user of DATABASE_URL the owner of its database.',
    ),
    must(
      'durable',
      facts.durable,
      facts.durable
        ? 'an answered commit is on the disk'
        : 'commits are answered before they are on the disk',
      'Set fsync, synchronous_commit and full_page_writes to on.',
    ),
    warn(
      'connections',
      facts.connectionsMax >= CONNECTIONS_MIN,
      `${facts.connectionsMax} at most`,
      `A process takes up to 21: set max_connections to ${CONNECTIONS_MIN} or more.`,
    ),
    warn(
      'migrations',
      pending === 0,
      `${pending} missing`,
      'xeenet serve applies them; or xeenet admin migrate.',
    ),
    must(
      'clock',
      apartMs <= CLOCK_MS_MAX,
      `${apartMs} ms from the database's`,
      'Have both machines keep time (chrony, systemd-timesyncd).',
    ),
    ...(pending === 0 ? [...(await examineUpkeep(knex, now())), await examineProofs(knex)] : []),
  ]
}

async function examineUpkeep(knex: Knex, now: Instant): Promise<Check[]> {
  const done = await readUpkeep(knex)
  const since = (at: Instant | undefined): string =>
    at === undefined ? 'never' : `${((now - at) / 3600_000).toFixed(1)} h ago`
  const [backup, test] = [done.get('backup'), done.get('restore_test')]
  return [
    warn(
      'backup',
      backup !== undefined && now - backup <= BACKUP_MS_MAX,
      since(backup),
      'xeenet admin backup FILE, every day.',
    ),
    warn(
      'restore test',
      test !== undefined && now - test <= RESTORE_MS_MAX,
      since(test),
      'xeenet admin restore --verify FILE.',
    ),
  ]
}

const PROOFS = 100

/** Whether some stored reports, drawn by chance, are proven to be what their hosts said: by their signatures or their calls'. */
async function examineProofs(knex: Knex): Promise<Check> {
  const drawn = await sampleReports(knex, PROOFS)
  const proven = await Promise.all(
    drawn.map(({ publicKey, signature, ...claim }) => isProven(publicKey, claim, signature)),
  )
  const unproven = drawn.filter((_, i) => proven[i] === false).map(({ resultId }) => resultId)
  const named = unproven.length === 0 ? '' : `: ${unproven.slice(0, 3).join(', ')}`
  return must(
    'proofs',
    unproven.length === 0,
    `${unproven.length} of ${drawn.length} reports, drawn by chance, are not signed by their hosts${named}`,
    'Somebody or something changed results, hosts or settings in the database: compare with a backup (xeenet admin restore).',
  )
}

/** Whatever lies among the secrets must be ours alone. Windows has no such modes. */
async function examineKeys(config: Config): Promise<Check[]> {
  const directory = secretsDirectory(config.dataDir)
  const names = await readdir(directory).catch(() => [])
  const files = [...new Set([...names.map(name => join(directory, name)), config.secretFile])]
  if (names.length === 0)
    return [warn('keys', false, `none in ${directory}`, 'The first start makes them: xeenet serve.')]
  const open: string[] = []
  for (const file of [directory, ...files]) {
    const found = await stat(file).catch(() => undefined)
    if (found === undefined) open.push(`${file} is missing`)
    else if (process.platform !== 'win32' && (found.mode & 0o077) !== 0)
      open.push(`${file} has mode ${(found.mode & 0o777).toString(8)}`)
  }
  const found = open.length === 0 ? `${files.length} files, ours alone` : open.join('; ')
  return [must('keys', open.length === 0, found, `chmod -R go= ${directory}`)]
}

const FREE_BYTES_MIN = 2 * 1024 ** 3

async function examineDisk({ dataDir }: Config): Promise<Check> {
  const place = await existing(dataDir)
  const writable = await access(place, constants.W_OK).then(
    () => true,
    () => false,
  )
  const { bavail, bsize } = await statfs(place)
  const free = bavail * bsize
  const found = `${(free / 1024 ** 3).toFixed(1)} GiB free in ${place}${writable ? '' : ', which we may not write'}`
  return must('disk', writable && free >= FREE_BYTES_MIN, found, 'Free 2 GiB, or name another --data-dir.')
}

const NEWEST = 100

/** Whether the newest files are where they are kept, and a bucket does what it must. */
async function examineFiles(config: Config, knex: Knex | undefined): Promise<Check> {
  const { s3 } = config
  const place = s3 === undefined ? config.dataDir : `${s3.endpoint}/${s3.bucket}/${s3.prefix}`
  try {
    if (s3 !== undefined) await proveBucket(openBucket(s3))
    const isEmpty = knex === undefined || (await countPending(knex)) > 0
    const known = isEmpty ? [] : await listFiles(knex, NEWEST)
    const blobs = await openFiles(config)
    const there = await Promise.all(known.map(({ sha256 }) => blobs.has(sha256)))
    const missing = there.filter(found => !found).length
    const remedy = 'xeenet admin files copy DIRECTORY, from where they were; or restore a backup.'
    return must('files', missing === 0, `${missing} of the newest ${NEWEST} are missing in ${place}`, remedy)
  } catch (error) {
    if (error instanceof BucketError) return must('files', false, error.message, error.hint)
    throw error
  }
}

/** The directory, or the nearest one above it that is there. */
async function existing(directory: string): Promise<string> {
  const there = await stat(directory).then(
    () => true,
    () => false,
  )
  return there || dirname(directory) === directory ? directory : existing(dirname(directory))
}

const ANSWER_MS_MAX = 5_000
const ServerId = z.object({ serverId: z.string() })

async function examinePublicUrl({ publicUrl }: Config): Promise<Check> {
  if (publicUrl === undefined)
    return warn(
      'public url',
      false,
      'none: others cannot be told where we are',
      'Set XEENET_PUBLIC_URL, if others than this machine are to take part.',
    )
  try {
    const signal = AbortSignal.timeout(ANSWER_MS_MAX)
    const answer = await fetch(new URL('/api/v1/server', publicUrl), { signal })
    const { serverId } = ServerId.parse(await answer.json())
    return must('public url', true, `${publicUrl} is ${serverId}`, '')
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    return must('public url', false, `${publicUrl}: ${why}`, 'Check name, certificate and proxy.')
  }
}

/** A server that is reached by https stands behind a proxy: without its name everybody has the proxy's address. */
const examineProxies = ({ publicUrl, trustedProxies }: Config): Check =>
  warn(
    'proxies',
    publicUrl?.startsWith('https:') !== true || trustedProxies.length > 0,
    trustedProxies.length === 0 ? 'none is believed' : trustedProxies.join(', '),
    'Set XEENET_TRUSTED_PROXIES to the proxy that ends TLS: limits count its address until then.',
  )

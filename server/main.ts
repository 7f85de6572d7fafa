import './node-version.ts'
import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Knex } from 'knex'
import type { PgBoss } from 'pg-boss'
import { TRUST } from '#domain/trust.ts'
import { createApp, createHealthApp } from '#http/app.ts'
import { challengeKey } from '#http/challenge.ts'
import type { Edge } from '#http/edge.ts'
import { openPages, type Pages } from '#http/pages.ts'
import { bossEnqueue, createWake, startBoss } from '#jobs/boss.ts'
import { startSealer } from '#jobs/seal.ts'
import { startJobs } from '#jobs/start.ts'
import { webhookPoster } from '#jobs/webhook-post.ts'
import { openOperate } from '#operate/operate.ts'
import type { ServerReady } from '#protocol/process.ts'
import { addMs } from '#protocol/units.ts'
import { analyse } from '#search/analyse.ts'
import { planCampaign } from '#search/plan.ts'
import { similarTo } from '#search/similar.ts'
import { wholeRun } from '#search/space.ts'
import { searchState } from '#search/state.ts'
import type { Blobs } from '#store/blobs.ts'
import { openBucket } from '#store/bucket.ts'
import { openDatabase } from '#store/database.ts'
import { type EventHub, openEventHub } from '#store/event-hub.ts'
import { CRON_LOCK, openLeadership } from '#store/leadership.ts'
import { migrate } from '#store/migrate.ts'
import { settleOnce } from '#store/settings.ts'
import { signingKey } from '#store/signing-keys.ts'
import packageJson from '../package.json' with { type: 'json' }
import { admitDirectory } from './admission.ts'
import { systemClock } from './clock.ts'
import { type Config, readConfig } from './config.ts'
import { importMissing } from './datasets.ts'
import { openFiles, proveBucket } from './files.ts'
import { inviteFirstOperator } from './first-operator.ts'
import { secureIds } from './ids.ts'
import { keyRing, settleOperatorKey } from './key-rotation.ts'
import { listen } from './listen.ts'
import { type Log, openLog } from './log.ts'
import { describeRefusal, embedded } from './operator.ts'
import { ensureVerifyToken } from './platform.ts'
import { supervisePostgres } from './postgres/supervise.ts'
import { announce, withdraw } from './running.ts'
import { openSecrets, type Secrets } from './secrets.ts'

// The server: the only place that constructs anything. It starts its parts from the database up and stops them in the
// opposite order. Nothing is lost when it is killed at any line: what was answered is committed.

/** How to stop what was started so far, the latest last. */
type Closers = (() => Promise<void>)[]

const DRAIN_MS = 20_000
// Longer than all orderly stops together; a server that hangs is as good as killed.
const STOP_MS_MAX = 60_000
// An artifact that is not delivered in a day is not waited for (DESIGN §8).
const UPLOAD_MS_MAX = 24 * 3600_000

const config = read(() => readConfig(process.env, process.argv.slice(2)))
const log = openLog(config.logLevel)
const closers: Closers = []
const asked = stopRequest()
const draining = new AbortController()
try {
  const ready = await start(config, closers)
  if (ready !== undefined) process.send?.(ready)
  log.info({ reason: await asked }, 'stopping')
  draining.abort()
  await sleep(config.lingerMs)
  await stop(closers)
} catch (error) {
  const refusal = describeRefusal(error)
  if (refusal === undefined) log.fatal({ err: error }, 'the server could not start')
  else log.fatal(refusal, 'the server could not start')
  await stop(closers)
  process.exitCode = 1
}
process.exit()

async function start(config: Config, closers: Closers): Promise<ServerReady | undefined> {
  const secrets = await openSecrets(config)
  if (config.s3 !== undefined) await proveBucket(openBucket(config.s3))
  const connectionString = await openPostgres(config, closers)
  const knex = openDatabase({ connectionString, warn: message => log.debug(message) })
  closers.push(() => knex.destroy())
  await openHealth(config, knex, closers)
  await migrate(knex)
  const blobs = await openFiles(config)
  const now = systemClock
  await blobs.sweep(addMs(now(), -UPLOAD_MS_MAX))
  await importMissing({ knex, blobs, log, now, secret: secrets.server }, config.datasets)
  const { key: operator, was } = await settleOperatorKey({ knex, dataDir: config.dataDir, now })
  if (was !== 'known')
    log[was === 'replaced' ? 'warn' : 'info']({ keyId: operator.keyId, was }, 'a key signs')
  await admitDirectory({ knex, blobs, operator, now }, config.kernelsDir, log)
  const verifyTokenFile = await ensureVerifyToken(knex, {
    dataDir: config.dataDir,
    ids: secureIds,
    now: now(),
  })
  const boss = await startBoss({ connectionString, log })
  closers.push(() => boss.stop())
  const serverId = await settleOnce(knex, 'server_id', randomUUID())
  await openJobs(config, { boss, knex, blobs, secrets, connectionString }, closers)
  if (config.roles.includes('seal')) {
    const sealer = startSealer({ knex, keyIn: keyRing(config.dataDir, operator), serverId, now, log })
    closers.push(() => sealer.stop())
  }
  if (!config.roles.includes('http')) {
    log.info({ roles: config.roles }, 'running')
    return undefined
  }
  const wake = createWake({ enqueue: bossEnqueue(boss), now })
  const pages = await openPages(config.webDir)
  if (pages === undefined) log.warn({ webDir: config.webDir }, 'the pages are not built: npm run build')
  const events = openEventHub({ connectionString, warn: message => log.warn(message) })
  const edge = openEdge(config, { knex, events, blobs, wake, pages, secrets, serverId, log })
  const listening = await listen(createApp(edge), config)
  closers.push(() => listening.close(DRAIN_MS))
  closers.push(() => events.close()) // first: whoever waits is answered, so that the rest can end
  const url = config.publicUrl ?? listening.url
  await announce(config.dataDir, { pid: process.pid, url, connectionString })
  closers.push(() => withdraw(config.dataDir, process.pid))
  const { dataDir, sharedPrefixes } = config
  log.info({ url, dataDir }, `serving ${url}`)
  log.info({ sharedPrefixes }, 'anonymous hosts from these networks count as owners by themselves')
  const operatorUrl = await inviteFirstOperator(knex, { ids: secureIds, now: now(), url })
  const places = { url, dataDir, verifyTokenFile, ...(operatorUrl === undefined ? {} : { operatorUrl }) }
  return { type: 'ready', serverId: edge.serverId, ...places }
}

async function openPostgres(config: Config, closers: Closers): Promise<string> {
  if (config.databaseUrl !== undefined) return config.databaseUrl
  const postgres = await supervisePostgres({ ...embedded(config), log })
  closers.push(() => postgres.stop())
  return postgres.connectionString
}

/** Probes are answered from here on, also while migrations run: a process that serves has them at its own address. */
async function openHealth(config: Config, knex: Knex, closers: Closers): Promise<void> {
  const { roles, healthPort, host } = config
  if (roles.includes('http') || healthPort === undefined) return
  const health = { knex, now: systemClock, draining: draining.signal, log, random: Math.random }
  const listening = await listen(createHealthApp(health), { host, port: healthPort })
  closers.push(() => listening.close(0))
  log.info({ url: listening.url }, 'answers probes')
}

interface Works extends Pick<Parts, 'knex' | 'blobs' | 'secrets'> {
  readonly boss: PgBoss
  readonly connectionString: string
}

async function openJobs(config: Config, works: Works, closers: Closers): Promise<void> {
  const { secrets, connectionString, ...rest } = works
  const leader = openLeadership({ connectionString, lock: CRON_LOCK, name: `xeenet cron ${process.pid}` })
  closers.push(() => leader.close())
  const jobs = await startJobs({
    ...rest,
    roles: config.roles.filter(role => role !== 'http' && role !== 'seal'),
    leads: leader.leads,
    now: systemClock,
    ids: secureIds,
    secret: secrets.server,
    trust: TRUST,
    postWebhook: await openPoster(config),
    log,
  })
  closers.push(() => jobs.stop())
}

async function openPoster({ webhookNetworks: networks, webhookCaFile }: Config) {
  const ca = webhookCaFile === undefined ? undefined : await readFile(webhookCaFile, 'utf8')
  return webhookPoster({ networks, ca })
}

interface Parts {
  readonly knex: Knex
  readonly events: EventHub
  readonly blobs: Blobs
  readonly wake: Edge['wake']
  readonly pages: Pages | undefined
  readonly secrets: Secrets
  readonly serverId: string
  readonly log: Log
}

function openEdge(config: Config, { knex, events, blobs, wake, pages, secrets, serverId, log }: Parts): Edge {
  const { pairMs, starveMs, retryMinMs, sharedPrefixes, trustedProxies, anonymousPerMinute } = config
  const { hostPerMinute, inFlightMax } = config
  const { enrolWork, perMinute, perPrefixDay, publicUrl, signup, signupRole } = config
  return {
    ...{ knex, events, blobs, wake, pages, serverId, log },
    planner: {
      plan: planCampaign,
      state: searchState,
      similar: similarTo,
      analyse,
      run: (source, recipe, which) => wholeRun({ ...source, secret: secrets.server }, recipe, which),
    },
    operate: openOperate({ knex, wake, now: systemClock, ids: secureIds, secret: secrets.server }),
    now: systemClock,
    random: Math.random,
    ids: secureIds,
    version: packageJson.version,
    kernelKeys: async () => {
      const { publicKey, keyId } = (await signingKey(knex)) ?? secrets.operator
      return [{ keyId, publicKey }]
    },
    prefixSecret: secrets.server,
    challengeKey: challengeKey(secrets.server),
    trust: { rules: TRUST, secret: secrets.server },
    draining: draining.signal,
    settings: {
      ...{ pairMs, starveMs, retryMinMs, sharedPrefixes, trustedProxies, anonymousPerMinute },
      ...{ hostPerMinute, inFlightMax },
      ...{ enrolWork, perMinute, perPrefixDay, publicUrl, signup, signupRole },
    },
  }
}

/** Resolves with the reason when somebody asks the server to stop. A second, impatient signal ends it at once. */
function stopRequest(): Promise<string> {
  return new Promise(resolve => {
    let requested = false
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      process.on(signal, () => {
        if (requested) process.exit(1)
        requested = true
        resolve(signal)
      })
    }
    process.on('disconnect', () => resolve('the parent process is gone'))
  })
}

async function stop(closers: Closers): Promise<void> {
  setTimeout(() => {
    log.error({ afterMs: STOP_MS_MAX }, 'not stopped in time')
    process.exit(1)
  }, STOP_MS_MAX).unref()
  for (const close of closers.toReversed()) {
    await close().catch((error: unknown) => log.warn({ err: error }, 'a part did not stop in order'))
  }
}

// Before there is a log that could say it.
function read<T>(settings: () => T): T {
  try {
    return settings()
  } catch (error) {
    const refusal = describeRefusal(error)
    if (refusal === undefined) throw error
    process.stderr.write(`xeenet: ${refusal.title}\n  ${refusal.hint}\n`)
    process.exit(2)
  }
}

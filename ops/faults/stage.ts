// What the runs of a suite share: a PostgreSQL of its own, and a database to copy, in which a server was set up once.

import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { z } from 'zod'
import { addToken, addUser, correctCredit } from '#server/admin-users.ts'
import { systemClock } from '#server/clock.ts'
import { secureIds } from '#server/ids.ts'
import { openDatabase } from '#store/database.ts'
import { isUnavailable } from '#store/errors.ts'
import { enlist, type FleetHost } from '../load/fleet.ts'
import { noopServer } from '../load/noop-server.ts'
import { mountSmallDisk, type SmallDisk } from './disk.ts'
import { databaseAt, keepPostgres, type OutsidePostgres } from './postgres.ts'
import { startServer } from './process.ts'
import { makeNextRelease } from './release.ts'

export interface Stage {
  readonly dir: string
  readonly postgres: OutsidePostgres
  /** Undefined where none can be mounted: then no disk is filled. */
  readonly disk: SmallDisk | undefined
  readonly env: NodeJS.ProcessEnv
  readonly serverId: string
  readonly hosts: readonly FleetHost[]
  readonly campaignToken: string
  readonly enrolTokenFile: string
  /** A copy of the database that was set up; its address for whoever needs no bad network. */
  copy(name: string): Promise<string>
  drop(name: string): Promise<void>
  /** The main program of a server after this one, made when it is first asked for. */
  nextRelease(): Promise<string>
  stop(): Promise<void>
}

const TEMPLATE = 'stage'
const HOSTS = 8
const CREDIT_MILLI = 1_000_000
const PATIENCE_MS = 60_000
const RETRY_MS = 100
const PATIENCE = { XEENET_RETRY_MIN_MS: '50', XEENET_PAIR_MS: '200', XEENET_STARVE_MS: '500' }

/** Sets the stage below `dir`, which is empty. */
export async function setStage(dir: string): Promise<Stage> {
  const databaseDir = join(dir, 'database')
  await mkdir(databaseDir)
  const disk = mountSmallDisk(databaseDir)
  const postgres = await keepPostgres(join(databaseDir, 'postgres')).catch((error: unknown) => {
    disk?.unmount()
    throw error
  })
  // A fault of the run before may still have PostgreSQL start again.
  const admin = async (...statements: string[]): Promise<void> => {
    const giveUpAt = performance.now() + PATIENCE_MS
    for (;;) {
      await postgres.ready()
      try {
        for (const sql of statements) await statement(postgres.connectionString, sql)
        return
      } catch (error) {
        if (!isUnavailable(error) || performance.now() > giveUpAt) throw error
        await sleep(RETRY_MS)
      }
    }
  }
  const stop = async (): Promise<void> => {
    await postgres.stop()
    disk?.unmount()
  }
  try {
    await admin(`create database ${TEMPLATE}`)
    const env = { ...(await noopServer(dir)), ...PATIENCE, ...placesBelow(dir) }
    const set = await setUp(dir, env, databaseAt(postgres.connectionString, TEMPLATE))
    let next: Promise<string> | undefined
    return {
      ...{ dir, postgres, disk, env, stop, ...set },
      nextRelease: () => {
        next ??= makeNextRelease(join(dir, 'next'))
        return next
      },
      copy: async name => {
        // Copied page by page, a sequence that was logged ahead falls back when PostgreSQL crashes before its next checkpoint.
        const drop = `drop database if exists ${name} with (force)` // one that was half made when it was interrupted
        await admin(drop, `create database ${name} template ${TEMPLATE} strategy file_copy`)
        return databaseAt(postgres.connectionString, name)
      },
      drop: name => admin(`drop database if exists ${name} with (force)`),
    }
  } catch (error) {
    await stop()
    throw error
  }
}

// Compiled code is kept: processes are started again and again.
const placesBelow = (dir: string): NodeJS.ProcessEnv => ({
  XEENET_DATA_DIR: join(dir, 'server'),
  NODE_COMPILE_CACHE: join(dir, 'compiled'),
})

/** Has a server make its tables, secrets and kernel, and enters those who take part. */
async function setUp(dir: string, env: NodeJS.ProcessEnv, connectionString: string) {
  const server = startServer({ ...env, DATABASE_URL: connectionString, PORT: '0' })
  const url = await server.ready
  const { serverId } = z
    .object({ serverId: z.string() })
    .parse(await (await fetch(new URL('/api/v1/server', url))).json())
  await server.end('SIGTERM')
  const knex = openDatabase({ connectionString, poolMax: 1 })
  try {
    const now = systemClock()
    await addUser(knex, { name: 'ada', role: 'researcher', starterMilli: 0, ids: secureIds, now })
    await correctCredit(knex, {
      name: 'ada',
      amountMilli: CREDIT_MILLI,
      reason: 'to be spent on faults',
      now,
    })
    await addUser(knex, { name: 'otter', role: 'volunteer', starterMilli: 0, ids: secureIds, now })
    const token = async (name: string, scope: 'campaign' | 'enrol'): Promise<string> =>
      (await addToken(knex, { name, scopes: [scope], expiresAt: null, ids: secureIds, now })).token
    const enrolTokenFile = join(dir, 'otter.token')
    await writeFile(enrolTokenFile, await token('otter', 'enrol'), { mode: 0o600 })
    return {
      serverId,
      hosts: await enlist(knex, HOSTS),
      campaignToken: await token('ada', 'campaign'),
      enrolTokenFile,
    }
  } finally {
    await knex.destroy()
  }
}

/** Runs a statement, or several, on a connection of its own, and gives the rows of the last. */
export async function statement(connectionString: string, sql: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString })
  client.on('error', () => undefined) // told by the query
  await client.connect()
  try {
    const answer: pg.QueryResult | pg.QueryResult[] = await client.query(sql)
    return [answer].flat().at(-1)?.rows ?? []
  } finally {
    await client.end()
  }
}

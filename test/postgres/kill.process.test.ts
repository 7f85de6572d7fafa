import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { type Confinement, confinements } from '#server/postgres/confinement.ts'
import { startPostgres } from '#server/postgres/start.ts'
import { supervisePostgres } from '#server/postgres/supervise.ts'
import { openDatabase } from '#store/database.ts'
import { hold, keepBackendBusy, kill, query, silent, untilGone, withDataDir } from './support.ts'

// Every way of starting PostgreSQL that this user has, and the one for systems where the kernel cannot end it with us.
const isRoot = process.getuid?.() === 0
const ways: Confinement[] = [...confinements(isRoot, undefined)]
if (isRoot) {
  ways.push({
    name: 'guard',
    prefix: ['unshare', '--user', '--map-user=1000', '--map-group=1000'],
    diesWithParent: false,
  })
}

test.each(ways)('killing the process that runs it leaves no orphan and loses nothing: $name', way =>
  withDataDir(async dataDir => {
    const holder = await hold(dataDir, way)
    await query(holder.connectionString, `create table kept as select 1 as one`)
    await kill(holder.child)
    expect(await untilGone(holder.pid)).toBeLessThan(5_000)
    // A fast shutdown, not a crash: the kernel (or the guard) asked it to end.
    expect(await readFile(join(dataDir, 'postgres.log'), 'utf8')).toContain('received fast shutdown request')

    const next = await startPostgres({ dataDir, log: silent, confinements: [way] })
    expect(await query(next.connectionString, `select one from kept`)).toEqual([{ one: 1 }])
    await next.stop()
  }),
)

test('a start right after the kill waits for the old server instead of failing', () =>
  withDataDir(async dataDir => {
    for (let round = 1; round <= 3; round++) {
      const holder = await hold(dataDir)
      await query(holder.connectionString, `create table if not exists rounds (n integer)`)
      await query(holder.connectionString, `insert into rounds values (${round})`)
      await kill(holder.child)
    }
    const last = await startPostgres({ dataDir, log: silent })
    expect(await query(last.connectionString, `select n from rounds order by n`)).toEqual([
      { n: 1 },
      { n: 2 },
      { n: 3 },
    ])
    await last.stop()
  }))

test('after killing both, the next start waits until the busy backends of the old server are gone', () =>
  withDataDir(async dataDir => {
    const holder = await hold(dataDir)
    await query(holder.connectionString, `create table kept as select 1 as one`)
    await keepBackendBusy(holder.connectionString)
    process.kill(holder.child.pid!, 'SIGSTOP') // so that it does not notice the first kill
    process.kill(holder.pid, 'SIGKILL')
    await kill(holder.child)

    const next = await startPostgres({ dataDir, log: silent })
    expect(await query(next.connectionString, `select one from kept`)).toEqual([{ one: 1 }])
    expect(await readFile(join(dataDir, 'postgres.log'), 'utf8')).toContain(
      'pre-existing shared memory block',
    )
    await next.stop()
  }))

test('a supervised server that is killed comes back at the same address with all that was committed', () =>
  withDataDir(async dataDir => {
    const warnings: string[] = []
    const log = { info: () => undefined, warn: (_: object, message: string) => warnings.push(message) }
    const postgres = await supervisePostgres({ dataDir, log })
    await query(postgres.connectionString, `create table kept (n integer)`)
    for (let n = 1; n <= 3; n++) {
      await query(postgres.connectionString, `insert into kept values (${n})`)
      const killed = postgres.pid()!
      process.kill(killed, 'SIGKILL')
      await untilOther(postgres, killed)
      expect(await query(postgres.connectionString, `select count(*)::int as n from kept`)).toEqual([{ n }])
    }
    expect(warnings).toEqual(Array(3).fill('PostgreSQL ended by itself and is started again'))
    await expect(startPostgres({ dataDir, log: silent })).rejects.toMatchObject({ code: 'database_in_use' })
    const last = postgres.pid()!
    await postgres.stop()
    await untilGone(last)
    expect(postgres.pid()).toBeUndefined()
  }))

test('a pool of connections fills itself again after the server was killed', () =>
  withDataDir(async dataDir => {
    const postgres = await supervisePostgres({ dataDir, log: silent })
    const knex = openDatabase({
      connectionString: postgres.connectionString,
      poolMax: 4,
      warn: () => undefined,
    })
    await Promise.all([1, 2, 3, 4].map(n => knex.raw(`select ${n}, pg_sleep(0.01)`)))
    const killed = postgres.pid()!
    process.kill(killed, 'SIGKILL')
    await untilOther(postgres, killed)
    const { rows } = await knex.raw(`select 1 as one`)
    expect(rows).toEqual([{ one: 1 }])
    await knex.destroy()
    await postgres.stop()
  }))

test('stopping while the killed server is being started again leaves nothing running', () =>
  withDataDir(async dataDir => {
    const postgres = await supervisePostgres({ dataDir, log: silent })
    const killed = postgres.pid()!
    process.kill(killed, 'SIGKILL')
    await untilGone(killed)
    await postgres.stop()
    expect(postgres.pid()).toBeUndefined()
    const next = await startPostgres({ dataDir, log: silent })
    await next.stop()
  }))

async function untilOther(postgres: { pid(): number | undefined }, old: number): Promise<void> {
  await expect.poll(() => postgres.pid() ?? old, { timeout: 30_000, interval: 20 }).not.toBe(old)
}

import { spawn } from 'node:child_process'
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { findBinaries } from '#server/postgres/binaries.ts'
import { startPostgres } from '#server/postgres/start.ts'
import { hold, kill, query, refusal, silent, untilGone, withDataDir } from './support.ts'

// Making a database takes half a second: tests that need any database share one, and leave it stopped.
let shared: string
beforeAll(async () => {
  shared = await mkdtemp(join(tmpdir(), 'xeenet-pg-test-'))
  const postgres = await startPostgres({ dataDir: shared, log: silent })
  await postgres.stop()
})
afterAll(() => rm(shared, { recursive: true }))

test('a database is made at the first start and found again at the second', () =>
  withDataDir(async dataDir => {
    const first = await startPostgres({ dataDir, log: silent })
    await query(first.connectionString, `create table kept as select 'ärger' as word`)
    await first.stop()
    await untilGone(first.pid)

    const second = await startPostgres({ dataDir, log: silent })
    expect(second.connectionString).toBe(first.connectionString)
    expect(await query(second.connectionString, `select upper(word) from kept`)).toEqual([{ upper: 'ÄRGER' }])
    await second.stop()
  }))

test('another PostgreSQL of the same version takes over, and one that is not there is refused', () =>
  withDataDir(async dataDir => {
    const { postgres: program } = await findBinaries(dataDir)
    const other = await startPostgres({ dataDir: shared, log: silent, programs: dirname(program) })
    expect(await query(other.connectionString, `select 1 as one`)).toEqual([{ one: 1 }])
    await other.stop()
    await expect(startPostgres({ dataDir, log: silent, programs: dataDir })).rejects.toMatchObject({
      code: 'database_programs_missing',
      hint: expect.stringContaining('XEENET_POSTGRES_BIN'),
    })
  }))

test('commits are on the disk, and there is no port', async () => {
  const postgres = await startPostgres({ dataDir: shared, log: silent })
  const settings = await query(
    postgres.connectionString,
    `select current_setting('fsync') as fsync, current_setting('synchronous_commit') as commit,
      current_setting('listen_addresses') as addresses, current_setting('unix_socket_permissions') as mode`,
  )
  expect(settings).toEqual([{ fsync: 'on', commit: 'on', addresses: '', mode: '0700' }])
  await postgres.stop()
})

test('a second start on the same directory is refused and names the process that has it', async () => {
  const postgres = await startPostgres({ dataDir: shared, log: silent })
  const inUse = { code: 'database_in_use', hint: expect.stringContaining('data directory') }
  await expect(startPostgres({ dataDir: shared, log: silent })).rejects.toMatchObject(inUse)
  await expect(startPostgres({ dataDir: shared, log: silent })).rejects.toThrow(`process ${process.pid} `)
  expect(await refusal(shared)).toMatchObject(inUse)
  expect(await query(postgres.connectionString, `select 1 as one`)).toEqual([{ one: 1 }])
  await postgres.stop()
})

test('of many starts at once on a new directory exactly one succeeds', () =>
  withDataDir(async dataDir => {
    const attempts = await Promise.allSettled([1, 2, 3, 4].map(() => startPostgres({ dataDir, log: silent })))
    const started = attempts.flatMap(attempt => (attempt.status === 'fulfilled' ? [attempt.value] : []))
    const codes = attempts.flatMap(attempt => (attempt.status === 'rejected' ? [attempt.reason.code] : []))
    expect([started.length, codes]).toEqual([1, Array(3).fill('database_in_use')])
    await started[0]?.stop()
  }))

test('a server that ends by itself settles `died`, with the reason, and frees the directory', async () => {
  const postgres = await startPostgres({ dataDir: shared, log: silent })
  process.kill(postgres.pid, 'SIGKILL')
  expect((await postgres.died).message).toBe('PostgreSQL ended with signal SIGKILL')
  const again = await startPostgres({ dataDir: shared, log: silent })
  await again.stop()
})

test('the pid file of a killed server does not mislead when another program has its pid now', () =>
  withDataDir(async dataDir => {
    const { child, pid } = await hold(dataDir)
    process.kill(child.pid!, 'SIGSTOP') // it must not start its server again
    process.kill(pid, 'SIGKILL')
    await kill(child)
    const other = spawn('sleep', ['600'])
    const path = join(dataDir, 'cluster', 'postmaster.pid')
    await writeFile(path, (await readFile(path, 'utf8')).replace(/^\d+/, String(other.pid)))
    const postgres = await startPostgres({ dataDir, log: silent })
    await postgres.stop()
    await kill(other)
  }))

test('what a kill in the middle of making a database left is swept away', () =>
  withDataDir(async dataDir => {
    await mkdir(join(dataDir, 'making-half', 'base'), { recursive: true })
    const postgres = await startPostgres({ dataDir, log: silent })
    expect((await readdir(dataDir)).sort()).toEqual([
      'cluster',
      'lock',
      'lock.pid',
      'password',
      'postgres.log',
    ])
    await postgres.stop()
  }))

test('a database of another PostgreSQL is left alone', () =>
  withDataDir(async dataDir => {
    await mkdir(join(dataDir, 'cluster'))
    await writeFile(join(dataDir, 'cluster', 'PG_VERSION'), '15\n')
    const start = startPostgres({ dataDir, log: silent })
    await expect(start).rejects.toMatchObject({
      code: 'database_version',
      message: expect.stringContaining('15'),
    })
    expect(await readdir(join(dataDir, 'cluster'))).toEqual(['PG_VERSION'])
  }))

test('a server that cannot start says what PostgreSQL said', async () => {
  const start = startPostgres({ dataDir: shared, log: silent, settings: { shared_buffers: 'plenty' } })
  await expect(start).rejects.toMatchObject({
    code: 'database_start_failed',
    message: expect.stringContaining('invalid value for parameter "shared_buffers": "plenty"'),
  })
})

test('a long path to the data directory does not matter to the socket', () =>
  withDataDir(async dataDir => {
    const deep = join(dataDir, 'x'.repeat(100), 'y y'.repeat(30))
    const postgres = await startPostgres({ dataDir: deep, log: silent })
    expect(await query(postgres.connectionString, `select 1 as one`)).toEqual([{ one: 1 }])
    await postgres.stop()
  }))

test('where there are no Unix sockets it listens on the loopback, behind a password', async () => {
  const postgres = await startPostgres({ dataDir: shared, log: silent, transport: 'tcp' })
  const url = new URL(postgres.connectionString)
  expect([url.hostname, url.password]).toEqual(['127.0.0.1', expect.stringMatching(/^[0-9a-f]{48}$/)])
  expect(await query(postgres.connectionString, `select 1 as one`)).toEqual([{ one: 1 }])
  url.password = 'guessed'
  await expect(query(url.href, `select 1`)).rejects.toThrow('password authentication failed')
  await postgres.stop()
})

test('a data directory that cannot be made is refused with a reason', () =>
  withDataDir(async dataDir => {
    const inFile = join(dataDir, 'file', 'data')
    await writeFile(join(dataDir, 'file'), '')
    const start = startPostgres({ dataDir: inFile, log: silent })
    await expect(start).rejects.toMatchObject({ code: 'database_not_allowed' })
    await expect(start).rejects.toThrow(inFile)
  }))

test('the socket is gone after the end', async () => {
  const postgres = await startPostgres({ dataDir: shared, log: silent })
  const socketDir = new URL(postgres.connectionString.replace('@/', '@x/')).searchParams.get('host') ?? ''
  expect((await stat(socketDir)).mode & 0o777).toBe(0o700)
  await postgres.stop()
  await expect(stat(socketDir)).rejects.toMatchObject({ code: 'ENOENT' })
})

test('a worker thread may not start it, because it would end with the thread', async () => {
  const start = JSON.stringify(new URL('../../server/postgres/start.ts', import.meta.url))
  const worker = new Worker(
    `import(${start}).then(({ startPostgres }) => startPostgres({ dataDir: '/nonexistent', log: console }))
      .catch(({ code }) => require('node:worker_threads').parentPort.postMessage(code))`,
    { eval: true },
  )
  expect(await new Promise(resolve => worker.once('message', resolve))).toBe('database_main_thread')
  await worker.terminate()
})

import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import type { Knex } from 'knex'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { type Grid, startGrid } from '#ops/grid.ts'
import { XEENET, xeenet } from '#ops/process.ts'
import { LedgerSummary, MeView, ServerView } from '#protocol/campaign.ts'
import { LedgerHead, LedgerHeads } from '#protocol/ledger.ts'
import { LedgerProblem } from '#protocol/ledger-check.ts'
import { openDatabase } from '#store/database.ts'
import { RunningServer } from '../../server/running.ts'

const ROWS = 10_000
const env = { XEENET_DATASETS: 'none', XEENET_LOG_LEVEL: 'warn' }

let dir: string
let grid: Grid
let lines: string[] // of the export
const file = (name: string): string => join(dir, name)

const running = async (): Promise<RunningServer> =>
  RunningServer.parse(JSON.parse(await readFile(join(grid.dataDir, 'server.json'), 'utf8')))

async function onDatabase(work: (knex: Knex) => Promise<unknown>): Promise<void> {
  const { connectionString } = await running()
  const knex = openDatabase({ connectionString, poolMax: 1, warn: () => undefined })
  try {
    await work(knex)
  } finally {
    await knex.destroy()
  }
}

const rowsSealed = async (): Promise<number> =>
  (await grid.get('/api/v1/ledger/heads?limit=1', LedgerHeads)).heads[0]?.statement.rows ?? 0

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'xeenet-ledger-'))
  grid = await startGrid({ dir, env, serverArgs: ['--no-verifier'] })
  await grid.addUser('ada', 'researcher', 5_000)
  await onDatabase(async knex => {
    await knex.transaction(async trx => {
      await trx.raw(`insert into accounts (name) values ('user:u_many') on conflict do nothing`)
      await trx.raw(
        `insert into transfers (key, kind, debit, credit, amount_milli, reason, created_at)
         select 'correction:' || n, 'correction', 'mint', 'user:u_many', n % 100 + 1, 'a test', now()
         from generate_series(1, :rows) as n`,
        { rows: ROWS },
      )
      await trx.raw(
        `update accounts a set balance_milli = balance_milli + case a.name when 'mint' then -s.sum else s.sum end
         from (select sum(amount_milli) as sum from transfers where credit = 'user:u_many') as s
         where a.name in ('mint', 'user:u_many')`,
      )
    })
  })
  // The sealer is at work: it dies in the middle, and the next one goes on.
  while ((await rowsSealed()) < 1) await sleep(50)
  process.kill((await running()).pid, 'SIGKILL')
  await grid.server.exited
  grid = await grid.restartServer()
  while ((await rowsSealed()) < ROWS + 1) await sleep(100)
  await xeenet(['ledger', 'head', '--server', grid.url], LedgerHead).then(head =>
    writeFile(file('head.json'), JSON.stringify(head)),
  )
  await run(['ledger', 'export', '-o', file('ledger.ndjson'), '--server', grid.url])
  lines = (await readFile(file('ledger.ndjson'), 'utf8')).trimEnd().split('\n')
})
afterAll(async () => {
  await grid.stop()
  await rm(dir, { recursive: true, force: true })
})

interface Ran {
  readonly status: number
  readonly text: string
}

async function run(args: readonly string[]): Promise<Ran> {
  try {
    const { stdout } = await promisify(execFile)(process.execPath, [XEENET, ...args], {
      env: { ...process.env, ...env },
    })
    return { status: 0, text: stdout }
  } catch (error) {
    const { code, stdout } = error as { code: number; stdout: string }
    return { status: code, text: stdout }
  }
}

const Verdict = z.object({
  ok: z.boolean(),
  rows: z.int(),
  end: z.string(),
  signatures: z.string(),
  problems: z.array(LedgerProblem),
})

async function verify(changed: readonly string[] | undefined, ...args: readonly string[]) {
  const name = changed === undefined ? file('ledger.ndjson') : file('changed.ndjson')
  if (changed !== undefined) await writeFile(name, `${changed.join('\n')}\n`)
  const { status, text } = await run(['ledger', 'verify', name, ...args, '--json'])
  return { status, ...Verdict.parse(JSON.parse(text)) }
}

const at = (n: number): number => lines.findIndex(line => line.startsWith(`{"n":${n},`))

describe(`an export of ${ROWS} rows, sealed by two servers of which the first was killed`, () => {
  test('is as it was sealed, up to the head that somebody kept', async () => {
    const server = await grid.get('/api/v1/server', ServerView)
    const key = server.kernelKeys[0]!.publicKey
    expect(await verify(undefined, '--head', file('head.json'), '--key', key)).toEqual({
      ...{ status: 0, ok: true, rows: ROWS + 1, end: 'proven', signatures: 'checked', problems: [] },
    })
  })

  test('without a head has an end that is not proven, and says so', async () => {
    const { status, text } = await run(['ledger', 'verify', file('ledger.ndjson')])
    expect([status, text]).toEqual([0, expect.stringContaining('the end is UNPROVEN')])
    expect(await verify(lines.slice(0, at(9_500)))).toMatchObject({ ok: false }) // not at the end of a block
  })

  test.each([
    [
      'altered',
      (n: number) => lines.with(at(n), lines[at(n)]!.replace('"user:u_many"', '"user:u_me"')),
      'row_altered',
    ],
    ['removed', (n: number) => lines.toSpliced(at(n), 1), 'row_missing'],
    ['inserted', (n: number) => lines.toSpliced(at(n), 0, lines[at(n + 1)]!), 'row_'],
  ] as const)('of which one row was %s is found out, and the row named', async (_, change, code) => {
    const n = 7_777
    const { status, ok, problems } = await verify(change(n), '--head', file('head.json'))
    expect([status, ok]).toEqual([1, false])
    expect(problems[0]).toMatchObject({ code: expect.stringContaining(code), row: n })
  })
})

test('a row altered in the database is found by the audit and by whoever exports it', async () => {
  const meddle = (sql: string) =>
    onDatabase(knex =>
      knex.transaction(async trx => {
        await trx.raw(`set local session_replication_role = replica`)
        await trx.raw(sql)
      }),
    )
  const audit = () => run(['admin', 'ledger', 'audit', '--data-dir', grid.dataDir, '--json'])
  expect(JSON.parse((await audit()).text)).toMatchObject({ sound: true, balanced: true, smuggled: 0 })
  const row = z.object({ n: z.int(), row: z.object({ id: z.int() }) }).parse(JSON.parse(lines[at(5_555)]!))
  await meddle(`update transfers set credit = 'user:u_me' where id = ${row.row.id}`)
  const found = await audit()
  expect([found.status, JSON.parse(found.text)]).toMatchObject([
    1,
    { sound: false, chain: { problems: [{ code: 'row_altered', row: 5_555 }] } },
  ])
  await run(['ledger', 'export', '-o', file('meddled.ndjson'), '--server', grid.url])
  const meddled = (await readFile(file('meddled.ndjson'), 'utf8')).trimEnd().split('\n')
  expect(await verify(meddled, '--head', file('head.json'))).toMatchObject({
    status: 1,
    problems: [{ code: 'row_altered', row: 5_555 }],
  })
  await meddle(`update transfers set credit = 'user:u_many' where id = ${row.row.id}`)
})

test('an operator corrects credit with a reason, and its owner reads it', async () => {
  const admin = (...words: string[]) =>
    run(['admin', 'credit', ...words, '--data-dir', grid.dataDir, '--json'])
  expect((await admin('ada', '250', '--reason', 'for the bug she found')).status).toBe(0)
  expect((await admin('ada', '-50', '--reason', 'counted twice')).status).toBe(0)
  expect((await admin('ada', '-9000', '--reason', 'too much')).text).toContain('insufficient_credit')
  expect((await admin('ada', '5')).status).toBe(2)
  expect((await admin('nobody', '5', '--reason', 'x')).text).toContain('user_unknown')
  const token = ['--token-file', await grid.tokenFile('ada', 'campaign'), '--server', grid.url]
  const me = await xeenet(['credits', ...token], MeView)
  expect(me).toMatchObject({ balanceMilli: 5_200, heldMilli: 0, pendingMilli: 0, owedMilli: 0 })
  expect(me.entries.map(({ kind, amountMilli, reason }) => [kind, amountMilli, reason])).toEqual([
    ['correction', 50, 'counted twice'],
    ['correction', 250, 'for the bug she found'],
    ['starter', 5_000, null],
  ])
  const { text } = await run(['credits', ...token])
  expect(text).toMatch(/correction +\+ +0\.250 cr {2}for the bug she found/)
  expect(text).toMatch(/correction +- +0\.050 cr {2}counted twice/)
  expect(await grid.get('/api/v1/ledger/summary', LedgerSummary)).toMatchObject({
    ...{ balanced: true, sumMilli: 0, debtsMilli: 0, deferredMilli: 0 },
    overrun: { todayMilli: 0 },
  })
})

/**
 * `npm run bench:ledger`: how fast the chain is sealed, exported and checked, on 100,000 rows in a PostgreSQL of its own.
 * `--json FILE` writes the rows for programs.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { Knex } from 'knex'
import { auditLedger } from '#jobs/audit.ts'
import { sealAll, sha256Bytes } from '#jobs/seal.ts'
import { generateKey } from '#kernels/sign.ts'
import { checkLedger } from '#protocol/ledger-check.ts'
import { systemClock } from '#server/clock.ts'
import { openLog } from '#server/log.ts'
import { startPostgres } from '#server/postgres/start.ts'
import { chainLines, lastBlock } from '#store/blocks.ts'
import { openDatabase } from '#store/database.ts'
import { migrate } from '#store/migrate.ts'
import { type Figure, writeFigures } from '../figures.ts'

const ROWS = 100_000
const VERIFY_S_MAX = 5 // what was promised

const FILL = `
  insert into transfers (key, kind, debit, credit, amount_milli, reason, created_at)
  select 'correction:' || n, 'correction', 'mint', 'user:u_bench', n % 100 + 1, 'a bench', now()
  from generate_series(1, cast(:rows as int)) as n`

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { json: { type: 'string' } } })
  const dataDir = await mkdtemp(join(tmpdir(), 'xeenet-bench-ledger-'))
  const postgres = await startPostgres({ dataDir, log: openLog('warn') })
  const knex = openDatabase({ connectionString: postgres.connectionString })
  try {
    await migrate(knex)
    await knex.raw(`insert into accounts (name) values ('mint'), ('user:u_bench')`)
    await knex.raw(FILL, { rows: ROWS })
    const figures = await measure(knex)
    console.table(figures)
    await writeFigures(values.json, figures)
    if (figures.some(({ value, reference = Infinity }) => Number(value) > reference)) process.exitCode = 1
  } finally {
    await knex.destroy()
    await postgres.stop()
    await rm(dataDir, { recursive: true, force: true })
  }
}

async function measure(knex: Knex): Promise<Figure[]> {
  const key = await generateKey()
  const sealing = await seconds(() => sealAll({ knex, key, serverId: 'bench', now: systemClock }))
  const lines: string[] = []
  const exporting = await seconds(async () => {
    for await (const some of chainLines(knex)) lines.push(...some.map(line => JSON.stringify(line)))
  })
  const head = (await lastBlock(knex))?.head
  const verifying = await seconds(async () => {
    const check = checkLedger({ hash: sha256Bytes, publicKey: key.publicKey, head })
    for (const line of lines) check.line(line)
    const verdict = await check.end()
    if (!verdict.ok || verdict.end !== 'proven' || verdict.rows !== ROWS)
      throw new Error(JSON.stringify(verdict))
  })
  const auditing = await seconds(() => auditLedger(knex, key.publicKey))
  return [
    { name: 'ledger.sealed_per_second', value: Math.round(ROWS / sealing), unit: 'rows/s' },
    { name: 'ledger.export_100000', value: round(exporting), unit: 's' },
    { name: 'ledger.verify_100000', value: round(verifying), unit: 's', reference: VERIFY_S_MAX },
    { name: 'ledger.audit_100000', value: round(auditing), unit: 's' },
  ]
}

async function seconds(what: () => Promise<unknown>): Promise<number> {
  const start = performance.now()
  await what()
  return (performance.now() - start) / 1000
}

const round = (value: number): number => Math.round(value * 100) / 100

await main()

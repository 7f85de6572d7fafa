/**
 * `npm run bench:ledger`: how fast the chain is sealed, exported and checked, by the command as well, on 100,000 rows in a PostgreSQL of its
 * own.
 * `--json FILE` writes the rows for programs.
 */
import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs, promisify } from 'node:util'
import type { Knex } from 'knex'
import { z } from 'zod'
import { sha256Bytes } from '#domain/hash.ts'
import { auditLedger } from '#jobs/audit.ts'
import { sealAll } from '#jobs/seal.ts'
import { generateKey } from '#kernels/sign.ts'
import { checkLedger } from '#protocol/ledger-check.ts'
import { systemClock } from '#server/clock.ts'
import { openLog } from '#server/log.ts'
import { startPostgres } from '#server/postgres/start.ts'
import { chainLines, lastBlock } from '#store/blocks.ts'
import { openDatabase } from '#store/database.ts'
import { migrate } from '#store/migrate.ts'
import { type Figure, writeFigures } from '../figures.ts'
import { XEENET } from '../process.ts'

const ROWS = 100_000
const VERIFY_S_MAX = 5 // what was promised
const CHANGED_ROW = 77_777

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
    const figures = await measure(knex, dataDir)
    console.table(figures)
    await writeFigures(values.json, figures)
    if (figures.some(({ value, reference = Infinity }) => Number(value) > reference)) process.exitCode = 1
  } finally {
    await knex.destroy()
    await postgres.stop()
    await rm(dataDir, { recursive: true, force: true })
  }
}

async function measure(knex: Knex, directory: string): Promise<Figure[]> {
  const key = await generateKey()
  const sealing = await seconds(() =>
    sealAll({ knex, keyIn: async () => key, serverId: 'bench', now: systemClock }),
  )
  const lines: string[] = []
  const exporting = await seconds(async () => {
    for await (const some of chainLines(knex)) lines.push(...some.map(line => JSON.stringify(line)))
  })
  const head = (await lastBlock(knex))?.head
  const verifying = await seconds(async () => {
    const check = checkLedger({ hash: sha256Bytes, publicKeys: [key.publicKey], head })
    for (const line of lines) check.line(line)
    const verdict = await check.end()
    if (!verdict.ok || verdict.end !== 'proven' || verdict.rows !== ROWS)
      throw new Error(JSON.stringify(verdict))
  })
  const auditing = await seconds(() => auditLedger(knex, [key.publicKey]))
  return [
    { name: 'ledger.sealed_per_second', value: Math.round(ROWS / sealing), unit: 'rows/s' },
    { name: 'ledger.export_100000', value: round(exporting), unit: 's' },
    { name: 'ledger.verify_100000', value: round(verifying), unit: 's', reference: VERIFY_S_MAX },
    { name: 'ledger.audit_100000', value: round(auditing), unit: 's' },
    ...(await timeCommands({ directory, lines, head: JSON.stringify(head), key: key.publicKey })),
  ]
}

interface Exported {
  readonly directory: string
  readonly lines: readonly string[]
  readonly head: string
  readonly key: string
}

const Said = z.object({
  ok: z.boolean(),
  end: z.enum(['proven', 'unproven']),
  problems: z.array(z.object({ code: z.string(), row: z.int().nullable() })),
})

/** `xeenet ledger verify` as a whole process, on the export and on what somebody made of it. Throws unless it finds the change. */
async function timeCommands({ directory, lines, head, key }: Exported): Promise<Figure[]> {
  const at = lines.findIndex(line => line.startsWith(`{"n":${CHANGED_ROW},`))
  const line = lines[at] ?? ''
  const last = lines.findLastIndex(text => text.startsWith('{"n":'))
  const tried = [
    { name: 'intact', export: lines, problem: null, end: 'proven' },
    {
      name: 'altered',
      export: lines.with(at, line.replace('user:u_bench', 'user:u_eve')),
      problem: 'row_altered',
    },
    { name: 'removed', export: lines.toSpliced(at, 1), problem: 'row_missing' },
    { name: 'inserted', export: lines.toSpliced(at, 0, lines[at + 1] ?? ''), problem: 'row_' },
    { name: 'last_removed', export: lines.toSpliced(last, 1), problem: 'row_missing' },
    { name: 'without_head', export: lines, problem: null, end: 'unproven' },
  ]
  const file = join(directory, 'export.ndjson')
  const figures: Figure[] = []
  for (const { name, export: made, problem, end } of tried) {
    await writeFile(file, `${made.join('\n')}\n`)
    const known = end === 'unproven' ? [] : ['--head', head]
    const begun = performance.now()
    const stdout = await verdictOf(['ledger', 'verify', file, '--key', key, ...known, '--json'])
    const value = round((performance.now() - begun) / 1000)
    const said = Said.parse(JSON.parse(stdout))
    const [first] = said.problems
    const isRight =
      problem === null
        ? said.ok && said.end === end
        : !said.ok &&
          first?.code.startsWith(problem) &&
          (name === 'last_removed' || first.row === CHANGED_ROW)
    if (!isRight) throw new Error(`${name}: ${stdout.slice(0, 500)}`)
    figures.push({ name: `ledger.command_${name}`, value, unit: 's', reference: VERIFY_S_MAX })
  }
  return figures
}

/** What the command prints, whatever it thinks of the export. */
async function verdictOf(args: readonly string[]): Promise<string> {
  try {
    return (await promisify(execFile)(process.execPath, [XEENET, ...args])).stdout
  } catch (error) {
    if (error instanceof Error && 'stdout' in error && typeof error.stdout === 'string') return error.stdout
    throw error
  }
}

async function seconds(what: () => Promise<unknown>): Promise<number> {
  const start = performance.now()
  await what()
  return (performance.now() - start) / 1000
}

const round = (value: number): number => Math.round(value * 100) / 100

await main()

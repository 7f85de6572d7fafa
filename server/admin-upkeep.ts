import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Command } from 'commander'
import { auditLedger } from '#jobs/audit.ts'
import { checkLine } from '#protocol/check.ts'
import { instant } from '#protocol/units.ts'
// from '#protocol/check.ts'
import { openDatabase } from '#store/database.ts'
import { isReady } from '#store/settings.ts'
import { noteUpkeep } from '#store/upkeep.ts'
import packageJson from '../package.json' with { type: 'json' }
import { run, type Said, type Shared, verb } from './admin-verbs.ts'
import { backUp, SERVER_SECRET } from './backup/backup.ts'
import { entriesOf, type Manifest } from './backup/manifest.ts'
import { restoreDatabase, restoreDirectory, unpack } from './backup/restore.ts'
import { systemClock } from './clock.ts'
import type { Config } from './config.ts'
import { examineServer } from './doctor.ts'
import type { Log } from './log.ts'
import { OperatorError, withConnection, withPool } from './operator.ts'
import { findRunning } from './running.ts'
import { secretsDirectory } from './secrets.ts'

/** `xeenet admin doctor`, `backup`, `restore`: what keeps a server well. */
export function addServerVerbs(root: Command): void {
  verb(root, 'doctor', 'what this server needs, one line each, with the remedy; changes nothing').action(
    (options: Shared) =>
      run(options, async ({ config }) => {
        const checks = await examine(config)
        const ok = checks.every(check => check.ok || check.level === 'warn')
        return { json: { checks }, lines: checks.map(checkLine), ok }
      }),
  )
  verb(root, 'backup <file>', 'database, files and secrets in one tar; the server may run meanwhile').action(
    (file: string, options: Shared) => run(options, tools => backUpNow(tools, file)),
  )
  verb(root, 'restore <file>', 'make of a backup a server in an empty --data-dir (and database)')
    .option('--verify', 'afterwards derive every balance again, and check the chain of the ledger')
    .option('--test', 'restore and verify in a directory that is thrown away, and note that it was done')
    .action((file: string, options: Shared & RestoreWish) =>
      run(options, tools => (options.test ? testRestore(tools, file) : restoreNow(tools, file, options))),
    )
}

interface RestoreWish {
  readonly verify?: boolean
  readonly test?: boolean
}

interface Tools {
  readonly config: Config
  readonly log: Log
}

const backUpNow = ({ config, log }: Tools, file: string): Promise<Said> =>
  withConnection(config, log, async connectionString => {
    const { version } = packageJson
    const manifest = await backUp({ config, connectionString, file, version, now: systemClock })
    await withPool(connectionString, log, knex =>
      noteUpkeep(knex, { kind: 'backup', at: instant(Date.parse(manifest.createdAt)) }),
    )
    const { bytes, rows } = sizesOf(manifest)
    const { serverId, createdAt, gone } = manifest
    const json = { file, serverId, createdAt, rows, files: manifest.files.length, bytes, gone }
    const lines = [
      `${file}: ${rows} rows and ${manifest.files.length} files of ${serverId} as of ${createdAt}`,
    ]
    return { json, lines: gone.length === 0 ? lines : [...lines, `${gone.length} files were gone`] }
  })

const sizesOf = (manifest: Manifest) => ({
  rows: manifest.tables.reduce((sum, table) => sum + table.rows, 0),
  bytes: entriesOf(manifest).reduce((sum, entry) => sum + entry.bytes, 0),
})

async function restoreNow({ config, log }: Tools, file: string, { verify }: RestoreWish): Promise<Said> {
  if ((await findRunning(config.dataDir)) !== undefined)
    throw new OperatorError('restore_refused', 'the server runs', 'Stop it, and name an empty --data-dir.')
  const { directory, manifest, discard } = await unpack(file, config.dataDir)
  try {
    await restoreDirectory(config, directory, manifest)
    return await withConnection(config, log, async connectionString => {
      const { renumbered } = await restoreDatabase(connectionString, directory, manifest)
      const found = verify === true ? await withPool(connectionString, log, auditLedger) : undefined
      const { serverId, createdAt } = manifest
      const { rows } = sizesOf(manifest)
      const audited = found === undefined ? {} : { sound: found.sound, blocks: found.chain.blocks }
      const json = { serverId, createdAt, rows, files: manifest.files.length, renumbered, ...audited }
      const line = `${serverId} as of ${createdAt}: ${rows} rows, ${manifest.files.length} files`
      const verdict = found?.sound === false ? 'NOT SOUND: xeenet admin ledger audit' : 'the ledger is sound'
      return { json, lines: found === undefined ? [line] : [line, verdict], ok: found?.sound !== false }
    })
  } finally {
    await discard()
  }
}

/** A backup that was never restored is a hope. */
async function testRestore(tools: Tools, file: string): Promise<Said> {
  const dataDir = await mkdtemp(join(tmpdir(), 'xeenet-restore-'))
  try {
    const secretFile = join(secretsDirectory(dataDir), SERVER_SECRET)
    const own = { databaseUrl: undefined, s3: undefined } // nothing of the server's is touched
    const elsewhere: Config = { ...tools.config, dataDir, secretFile, ...own }
    const said = await restoreNow({ ...tools, config: elsewhere }, file, { verify: true })
    if (said.ok !== false) await noteTest(tools)
    return said
  } finally {
    await rm(dataDir, { recursive: true, force: true })
  }
}

/** In the server whose backup it was, where it runs or has a database of its own. */
async function noteTest({ config, log }: Tools): Promise<void> {
  const known = config.databaseUrl ?? (await findRunning(config.dataDir))?.connectionString
  if (known === undefined) return
  await withPool(known, log, knex => noteUpkeep(knex, { kind: 'restore_test', at: systemClock() }))
}

/** Looks at the database where there is one that answers; starts none, and migrates none. */
async function examine(config: Config) {
  const connectionString = config.databaseUrl ?? (await findRunning(config.dataDir))?.connectionString
  const about = { config, now: systemClock }
  if (connectionString === undefined)
    return examineServer({ ...about, knex: undefined, why: 'the server does not run' })
  const knex = openDatabase({ connectionString, poolMax: 1, warn: () => undefined })
  try {
    const why = await isReady(knex).then(
      () => undefined,
      (error: unknown) => (error instanceof Error ? error.message : String(error)),
    )
    return await examineServer({ ...about, knex: why === undefined ? knex : undefined, why: why ?? '' })
  } finally {
    await knex.destroy()
  }
}

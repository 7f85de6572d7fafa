import { randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { startGrid } from '#ops/grid.ts'
import { computeCampaign } from '#ops/kill.ts'
import { startPostgres } from '#server/postgres/start.ts'
import { startStorage } from '#support/storage.ts'

const FILE = join(import.meta.dirname, '../ops/kill.yaml')
const SILENT = { info() {}, warn() {}, error() {} }

const cleanup: (() => Promise<void> | void)[] = []
afterEach(async () => {
  for (const clean of cleanup.splice(0).toReversed()) await clean()
})

function folder(): string {
  const dir = mkdtempSync(join(tmpdir(), 'xeenet-external-'))
  cleanup.push(() => rmSync(dir, { recursive: true, force: true }))
  return dir
}

/** Run key and digest of every published run of the campaign, computed by two volunteers on a server of its own. */
async function digestsOf(env: NodeJS.ProcessEnv): Promise<Map<string, string>> {
  const grid = await startGrid({
    dir: folder(),
    env: { XEENET_RETRY_MIN_MS: '100', XEENET_DATASETS: 'sotu-small@1', XEENET_LOG_LEVEL: 'warn', ...env },
  })
  try {
    return await computeCampaign(grid, FILE)
  } finally {
    await grid.stop()
  }
}

test('a server on an external PostgreSQL, with its files in a bucket, gives the same canonical digests as one that has all to itself', async () => {
  const dir = folder()
  const secret = join(dir, 'secret')
  writeFileSync(secret, randomBytes(32).toString('hex'), { mode: 0o600 })
  mkdirSync(join(dir, 'pg'))
  const external = await startPostgres({ dataDir: join(dir, 'pg'), log: SILENT })
  cleanup.push(() => external.stop())
  const shared = { XEENET_SECRET_FILE: secret }
  const storage = await startStorage(join(dir, 'storage'))
  cleanup.push(() => storage.kill())
  const [embedded, outside] = await Promise.all([
    digestsOf(shared),
    digestsOf({ ...shared, DATABASE_URL: external.connectionString, ...storage.env }),
  ])
  expect(embedded.size).toBe(24)
  expect(outside).toEqual(embedded)
})

import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { z } from 'zod'
import { startGrid } from '#ops/grid.ts'
import { computeCampaign, publishedBy } from '#ops/kill.ts'
import { xeenet } from '#ops/process.ts'
import { ENROL_WORK_MIN } from '#protocol/limits.ts'
import { startPostgres } from '#server/postgres/start.ts'
import { startStorage } from '#support/storage.ts'

const ROOT = join(import.meta.dirname, '..')
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

/** The commands of a section of the README, one text for each terminal. */
function terminalsOf(section: string): string[] {
  const text = readFileSync(join(ROOT, 'README.md'), 'utf8').split(`## ${section}\n`)[1]?.split('\n## ')[0]
  return [...(text ?? '').matchAll(/^```sh\n(.*?)^```/gms)].map(([, block = '']) => block)
}

interface Terminal {
  readonly child: ChildProcess
  /** All that it printed by the time it says this. Rejects when it ends without. */
  until(said: RegExp): Promise<RegExpExecArray>
  readonly ended: Promise<{ status: number; text: string }>
}

/** Commands as somebody types them: each must succeed before the next. */
function type(commands: string, env: NodeJS.ProcessEnv): Terminal {
  // Of a group of its own, so that what it started hears of its end as in a terminal.
  const child = spawn('bash', ['-euo', 'pipefail', '-c', commands], {
    ...{ cwd: ROOT, env, detached: true },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let text = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (words: string) => {
      text += words
      child.emit('words')
    })
  const ended = once(child, 'close').then(([code]) => ({ status: Number(code ?? 1), text }))
  const until = (said: RegExp): Promise<RegExpExecArray> =>
    new Promise((resolve, reject) => {
      const look = () => {
        const found = said.exec(text)
        if (found !== null) resolve(found)
      }
      child.on('words', look)
      look()
      ended.then(() => reject(new Error(text)), reject)
    })
  return { child, until, ended }
}

/** Run key and digest of each run of the README's campaign, on a server that has all to itself. */
async function computedAlone(env: NodeJS.ProcessEnv): Promise<Map<string, string>> {
  const grid = await startGrid({ dir: folder(), env })
  cleanup.push(() => grid.stop())
  return computeCampaign(grid, join(ROOT, 'ops/examples/first.yaml'))
}

/** The same by the README's lines: all of them but `npm ci`, with a database that is there, at the address that is printed. */
async function computedAsTheReadmeSays(
  database: string,
  env: NodeJS.ProcessEnv,
): Promise<Map<string, string>> {
  const [server = '', others = ''] = terminalsOf('On your own PostgreSQL').map(commands =>
    commands.replaceAll('postgres://xeenet:secret@127.0.0.1:5432/xeenet', database),
  )
  expect(server).toMatch(/^npm ci\n/)
  const serving = type(server.replace('npm ci\n', ''), env)
  cleanup.push(async () => {
    process.kill(-serving.child.pid!, 'SIGTERM')
    await serving.ended
  })
  const [, url = ''] = await serving.until(/serving (\S+)/)
  const newcomer = await type(others.replaceAll('http://127.0.0.1:7316', url), env).ended
  expect([newcomer.status, newcomer.text]).toEqual([0, expect.stringContaining('val_bpb')])
  const { campaigns } = await xeenet(
    ['campaign', 'list', '--server', url],
    z.object({ campaigns: z.array(z.object({ id: z.string() })) }),
  )
  return publishedBy(url, campaigns[0]!.id)
}

test('what the README says leads on an external PostgreSQL (and with files in a bucket) to validated runs, with the digests of a server that has all to itself', async () => {
  const dir = folder()
  const secret = join(dir, 'secret')
  writeFileSync(secret, randomBytes(32).toString('hex'), { mode: 0o600 })
  mkdirSync(join(dir, 'pg'))
  const external = await startPostgres({ dataDir: join(dir, 'pg'), log: SILENT })
  cleanup.push(() => external.stop())
  const storage = await startStorage(join(dir, 'storage'))
  cleanup.push(() => storage.kill())
  const shared = {
    ...{ XEENET_SECRET_FILE: secret, XEENET_DATASETS: 'sotu-small@1', XEENET_LOG_LEVEL: 'warn' },
    ...{ XEENET_RETRY_MIN_MS: '100', XEENET_ENGINES: 'wasm' },
  }
  // What a newcomer does not say: where things are kept, so that nothing of this machine's is touched.
  const home = { XDG_STATE_HOME: dir, XDG_CACHE_HOME: dir, XDG_CONFIG_HOME: dir, XDG_DATA_HOME: dir }
  const place = { PORT: '0', XEENET_DATA_DIR: join(dir, 'server'), XEENET_ENROL_WORK: String(ENROL_WORK_MIN) }
  const env = { ...process.env, ...shared, ...home, ...place, ...storage.env }

  const [embedded, outside] = await Promise.all([
    computedAlone(shared),
    computedAsTheReadmeSays(external.connectionString, env),
  ])
  expect(embedded.size).toBe(4)
  expect(outside).toEqual(embedded)
})

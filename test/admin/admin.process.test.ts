import { type ChildProcess, execFile, fork } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { packRelease, readRelease } from '#kernels/package.ts'
import { ServerView } from '#protocol/campaign.ts'
import { SigningKeyList } from '#protocol/kernel.ts'
import { ServerReady } from '#protocol/process.ts'

const ROOT = join(import.meta.dirname, '..', '..')
const SERVER = join(ROOT, 'server')

let dataDir: string
const running: ChildProcess[] = []

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'xeenet-server-'))
})
afterAll(async () => {
  for (const child of running.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue
    child.kill('SIGKILL')
    await once(child, 'exit')
  }
  await rm(dataDir, { recursive: true, force: true })
})

const ENV = {
  XEENET_DATASETS: 'none',
  XEENET_KERNELS_DIR: join(tmpdir(), 'xeenet-no-kernels'),
  XEENET_LOG_LEVEL: 'warn',
}

interface Started {
  readonly child: ChildProcess
  readonly words: () => string // on standard error
}

function launch(args: readonly string[] = []): Started {
  const child = fork(join(SERVER, 'main.ts'), ['--data-dir', dataDir, '--port', '0', ...args], {
    env: { ...process.env, ...ENV },
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  })
  running.push(child)
  let words = ''
  child.stderr?.on('data', (chunk: Buffer) => {
    words += chunk
  })
  return { child, words: () => words }
}

async function startServer(): Promise<Started & { ready: ServerReady }> {
  const started = launch()
  const [message] = await Promise.race([
    once(started.child, 'message'),
    once(started.child, 'exit').then(() => {
      throw new Error(started.words())
    }),
  ])
  return { ...started, ready: ServerReady.parse(message) }
}

let kept: ReturnType<typeof startServer> | undefined
/** The one server of all tests that do not themselves start and stop it. */
const theServer = (): ReturnType<typeof startServer> => {
  kept ??= startServer()
  return kept
}

async function exitOf(child: ChildProcess): Promise<number | null> {
  if (child.exitCode !== null) return child.exitCode
  const [code] = await once(child, 'exit')
  return code
}

async function admin(...words: string[]): Promise<{ status: number; json: Record<string, unknown> }> {
  const args = [join(SERVER, 'admin.ts'), ...words, '--data-dir', dataDir, '--json']
  try {
    const { stdout } = await promisify(execFile)(process.execPath, args, { env: { ...process.env, ...ENV } })
    return { status: 0, json: JSON.parse(stdout) }
  } catch (error) {
    const { code, stdout } = error as { code: number; stdout: string }
    return { status: code, json: stdout === '' ? {} : JSON.parse(stdout) }
  }
}

const server = async (url: string) => ServerView.parse(await (await fetch(`${url}/api/v1/server`)).json())

test('the server starts from nothing, keeps its secrets to itself, stops in order, and is the same when it comes back', async () => {
  const first = await startServer()
  const before = await server(first.ready.url)
  for (const name of ['secrets/server.secret', 'secrets/operator.pem', 'secrets/verify.token', 'server.json'])
    expect([name, (await stat(join(dataDir, name))).mode & 0o777]).toEqual([name, 0o600])
  const token = await readFile(first.ready.verifyTokenFile, 'utf8')
  first.child.kill('SIGTERM')
  expect(await exitOf(first.child)).toBe(0)
  await expect(stat(join(dataDir, 'server.json'))).rejects.toThrow('ENOENT')
  const second = await startServer()
  const after = await server(second.ready.url)
  expect({ id: after.serverId, keys: after.kernelKeys }).toEqual({
    id: before.serverId,
    keys: before.kernelKeys,
  })
  expect(await readFile(second.ready.verifyTokenFile, 'utf8')).toBe(token)
  second.child.disconnect() // the process that started it is gone
  expect(await exitOf(second.child)).toBe(0)
})

describe('the operator', () => {
  test('adds users and tokens while the server is stopped, and while it runs', async () => {
    const ada = await admin('user', 'add', 'ada', '--role', 'researcher', '--starter', '5000')
    expect(ada).toMatchObject({ status: 0, json: { name: 'ada', roles: ['researcher'], balanceMilli: 5000 } })
    const { ready } = await theServer()
    const { json } = await admin('user', 'token', 'ada', '--scope', 'campaign')
    const me = await fetch(`${ready.url}/api/v1/me`, { headers: { authorization: `Bearer ${json.token}` } })
    expect(await me.json()).toMatchObject({ userId: ada.json.userId, name: 'ada', balanceMilli: 5000 })
    expect((await admin('user', 'list')).json).toMatchObject({
      users: [{ name: 'platform' }, { name: 'ada', balanceMilli: 5000 }],
    })
    expect(await admin('ledger', 'audit')).toMatchObject({ status: 0, json: { balanced: true, sumMilli: 0 } })
    expect(await admin('migrate')).toMatchObject({ status: 0 })
    expect(await admin('purge', '--dry-run')).toMatchObject({ status: 0, json: { dryRun: true, rows: 0 } })
    const [first] = (await server(ready.url)).kernelKeys
    const rotated = await admin('key', 'rotate', '--reason', 'a test')
    expect(rotated).toMatchObject({ status: 0, json: { oldKeyId: first!.keyId, was: 'rotated' } })
    const { kernelKeys } = await server(ready.url) // it runs on, by the new key
    expect(kernelKeys).toMatchObject([{ keyId: rotated.json.keyId }])
    const list = await fetch(`${ready.url}/api/v1/signing-keys`)
    expect(SigningKeyList.parse(await list.json()).keys).toMatchObject([
      { keyId: first!.keyId, successor: { statement: { newPublicKey: kernelKeys[0]!.publicKey } } },
      { keyId: rotated.json.keyId, until: null, successor: null },
    ])
  })

  test('signs no release whose self-test does not end as it says: every volunteer would take its own engine for broken', async () => {
    const right = join(ROOT, 'build', 'kernels', 'cartpole@1.tar')
    const read = await readRelease(await readFile(right))
    if (!read.ok) throw new Error(read.detail)
    const manifest = JSON.parse(Buffer.from(read.release.manifest).toString())
    const claimed = { ...manifest, selfTest: { ...manifest.selfTest, digest: 'd'.repeat(64) } }
    const wrong = join(dataDir, 'wrong.tar')
    await writeFile(
      wrong,
      await packRelease({ ...read.release, manifest: Buffer.from(JSON.stringify(claimed)) }),
    )
    await theServer()
    for (const verb of ['sign', 'admit'])
      expect(await admin('kernel', verb, wrong)).toMatchObject({
        status: 1,
        json: { code: 'self_test_wrong', hint: expect.stringContaining('npm run build') },
      })
    expect(await admin('kernel', 'sign', right)).toMatchObject({
      status: 0,
      json: { statement: { name: 'cartpole' } },
    })
    expect(await admin('kernel', 'admit', right)).toMatchObject({ status: 0, json: { outcome: 'admitted' } })
  })

  test('is told what is wrong by a code and a hint', async () => {
    await theServer()
    const refusals = await Promise.all([
      admin('user', 'add', 'ada'),
      admin('user', 'token', 'nobody', '--scope', 'enrol'),
      admin('host', 'quarantine', 'h_01m8290jmz8nfs0fphmj4tnvpj', '--reason', 'test'),
      admin('host', 'release', 'nonsense', '--reason', 'test'),
      admin('kernel', 'admit', join(ROOT, 'package.json')),
      admin('kernel', 'sign', '/nowhere.tar'),
    ])
    expect(refusals.map(({ status, json }) => [status, json.ev, json.code])).toEqual([
      [1, 'error', 'name_taken'],
      [1, 'error', 'user_unknown'],
      [1, 'error', 'not_found'],
      [1, 'error', 'id_malformed'],
      [1, 'error', 'release_malformed'],
      [1, 'error', 'enoent'],
    ])
    for (const { json } of refusals) expect(json.hint).toEqual(expect.any(String))
    expect((await admin('user', 'token', 'ada', '--scope', 'everything')).status).toBe(2)
    expect((await admin('user', 'add')).status).toBe(2)
  })
})

describe('a server that cannot start says why in one sentence, and leaves the other alone', () => {
  test('a setting that makes no sense', async () => {
    const { child, words } = launch(['--port', '70000'])
    expect(await exitOf(child)).toBe(2)
    expect(words()).toContain('PORT')
    const unknown = launch(['--colour', 'blue'])
    expect(await exitOf(unknown.child)).toBe(2)
    expect(unknown.words()).toContain('--colour')
  })

  test('a bucket that does not answer', async () => {
    const keys = ['--s3-access-key', 'a', '--s3-secret-key', 's']
    const { child, words } = launch(['--s3-url', 'http://127.0.0.1:1/files', ...keys])
    expect(await exitOf(child)).toBe(1)
    expect(words()).toContain('files_unreachable')
    expect(words()).toContain('Check XEENET_S3_URL')
  })

  test('a data directory that another server runs on', async () => {
    const { ready } = await theServer()
    const second = launch()
    expect(await exitOf(second.child)).toBe(1)
    expect(second.words()).toContain('database_in_use')
    expect((await fetch(`${ready.url}/readyz`)).status).toBe(200)
  })
})

test('when PostgreSQL is killed the server says so, lives on, and recovers', async () => {
  const { child, ready } = await theServer()
  const postmaster = (await readFile(join(dataDir, 'postgres', 'cluster', 'postmaster.pid'), 'utf8')).split(
    '\n',
  )[0]
  // Inside its user namespace PostgreSQL has another idea of its pid only where it has a pid namespace, which it has not.
  process.kill(Number(postmaster), 'SIGKILL')
  const seen = new Set<number>()
  for (let back = 0; back < 3; ) {
    const { status } = await fetch(`${ready.url}/readyz`)
    seen.add(status)
    back = status === 200 ? back + 1 : 0
    await sleep(20) // the one thing waited for is another process
  }
  expect([...seen].filter(status => status !== 200 && status !== 503)).toEqual([])
  expect((await server(ready.url)).serverId).toBe(ready.serverId)
  expect(child.exitCode).toBeNull()
})

test('the doctor finds what is wrong with a server that runs, and says so by its exit status; and that server stops in order', async () => {
  const { child, ready } = await theServer()
  const named = async () => {
    const { status, json } = await admin('doctor')
    const checks = json.checks as { name: string; ok: boolean; found: string }[]
    return { status, ok: Object.fromEntries(checks.map(check => [check.name, check.ok])) }
  }
  const well = await named()
  const wrong = well.status === 0 ? [] : Object.entries(well.ok).filter(([, ok]) => !ok)
  expect(wrong).toEqual([])
  expect(well.ok).toMatchObject({ database: true, rights: true, clock: true, keys: true, backup: false })
  await chmod(ready.verifyTokenFile, 0o644)
  expect(await named()).toMatchObject({ status: 1, ok: { keys: false } })
  await chmod(ready.verifyTokenFile, 0o600)
  child.kill('SIGTERM')
  expect(await exitOf(child)).toBe(0)
})

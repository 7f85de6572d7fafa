import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import type { FitRelease } from './kernels/examine.ts'
import { OperatorError } from './operator.ts'

// What volunteers run before anything else. It belongs to the client: the server computes nothing of a kernel in any process of
// its own.
const TRIAL = join(import.meta.dirname, '..', 'client', 'node', 'trial-process.ts')
// The engine that every volunteer may fall back on. The fast one is tried by each for itself.
const STRICT_FLAGS = ['--no-wasm-deopt', '--no-liftoff']
// Half a second on an idle machine, most of it compiling.
const TRIAL_MS = 60_000

const Verdict = z.union([
  z.object({ ok: z.literal(true) }),
  z.object({ ok: z.literal(false), reason: z.string() }),
])

const HINT =
  'Nobody could compute it. Build the release again: npm run build computes the digest of the self-test.'

/**
 * Has the self-test of a release run as volunteers run it, in a process of its own, before an operator's signature says that its
 * digest is the right one: a wrong one would have every volunteer take its own engine for broken. @throws OperatorError
 */
export async function proveSelfTest({ bytes, manifest, moduleSha256 }: FitRelease): Promise<void> {
  const name = `${manifest.name}@${manifest.version}`
  if (!existsSync(TRIAL))
    throw new OperatorError(
      'self_test_untried',
      `${name}: this installation has no client part to run the self-test with`,
      'Sign it on a machine that has the whole program.',
    )
  const verdict = await tried(bytes, moduleSha256)
  if (!verdict.ok) throw new OperatorError('self_test_wrong', `${name}: ${verdict.reason}`, HINT)
}

function tried(bytes: Uint8Array, moduleSha256: string): Promise<z.infer<typeof Verdict>> {
  const args = [...STRICT_FLAGS, TRIAL, moduleSha256]
  const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'ignore'], timeout: TRIAL_MS })
  return new Promise((resolve, reject) => {
    let said = ''
    child.stdout.on('data', (chunk: Buffer) => {
      said += chunk.toString()
    })
    child.stdin.on('error', () => undefined) // it ended before it read all: its exit says why
    child.on('error', reject)
    child.on('close', (code, signal) => {
      if (code === 0) resolve(Verdict.parse(JSON.parse(said)))
      else resolve({ ok: false, reason: `its self-test ended with ${signal ?? `code ${code}`}` })
    })
    child.stdin.end(bytes)
  })
}

// Everything that is checked of a foreign kernel, by its author before it is packed and by whoever signs it.

import { z } from 'zod'
import { FAST_FLAGS, hasAvx2 } from '#client/node/trial.ts'
import { examineForeign, type FitRelease } from '#kernels/examine.ts'
import { packRelease } from '#kernels/package.ts'
import { sha256, utf8 } from '#protocol/canonical.ts'
import type { KernelManifest, KernelSource } from '#protocol/kernel.ts'
import { PROPOSAL_BYTES_MAX } from '#protocol/limits.ts'
import { Reason, reasonOf } from '#protocol/proposals.ts'
import { Sha256 } from '#protocol/units.ts'
import { ChildFailed, inChild } from './children.ts'
import { type Built, buildProject, type Rebuilt } from './project.ts'
import { Unfit } from './unfit.ts'

/** What the dynamic checks found, beyond that there is nothing against the kernel. */
export interface Checked {
  readonly digest: Sha256
  /** In which engines of this machine it was run. */
  readonly engines: readonly string[]
  /** How the runs with recipes drawn at random ended. */
  readonly ends: Readonly<Record<string, number>>
  readonly stepFuelMax: number
}

const JUDGE_MS = 180_000
const REBUILD_MS = 60_000
const STRICT_FLAGS = ['--no-wasm-deopt', '--no-liftoff']

const Verdict = z.object({
  reasons: z.array(Reason),
  digest: Sha256.nullable(),
  ends: z.record(z.string(), z.int()),
  stepFuelMax: z.int(),
})

/** Runs a kernel in the engines of this machine, each in a process of its own. @throws Unfit */
export async function checkRuns(manifest: KernelSource, module: Uint8Array): Promise<Checked> {
  const engines = [
    ['strict', STRICT_FLAGS] as const,
    ...((await hasAvx2()) ? [['fast', FAST_FLAGS] as const] : []),
  ]
  const input = { manifest, module: Buffer.from(module).toString('base64') }
  const verdicts: z.infer<typeof Verdict>[] = []
  for (const [engine, flags] of engines) {
    const verdict = await judged(engine, flags, input)
    if (verdict.reasons.length > 0) throw new Unfit(verdict.reasons)
    verdicts.push(verdict)
  }
  const [strict, fast] = verdicts
  if (strict?.digest == null) throw new Error('a verdict without reasons has a digest')
  if (fast !== undefined && fast.digest !== strict.digest)
    throw new Unfit([
      reasonOf(
        'not_deterministic',
        `the strict engine gives ${strict.digest}, the fast one ${fast.digest}`,
        'Find the instruction whose result may differ: NaN bits that are stored, hashed or compared.',
      ),
    ])
  const { digest, ends, stepFuelMax } = strict
  return { digest, engines: engines.map(([engine]) => engine), ends, stepFuelMax }
}

async function judged(
  engine: string,
  flags: readonly string[],
  input: object,
): Promise<z.infer<typeof Verdict>> {
  try {
    return await inChild({ script: 'judge-process.ts', flags, limitMs: JUDGE_MS }, input, Verdict)
  } catch (error) {
    if (!(error instanceof ChildFailed)) throw error
    throw new Unfit([
      reasonOf('check_aborted', `${engine} engine: ${error.message}`, 'Give the self-test less to do.'),
    ])
  }
}

export interface CheckedProject extends Built {
  readonly whole: KernelManifest
  readonly checked: Checked
}

/** Builds and checks the project in a folder; its manifest with the digest of the self-test. @throws Unfit */
export async function checkProject(directory: string): Promise<CheckedProject> {
  const built = await buildProject(directory)
  const checked = await checkRuns(built.manifest, built.module)
  const whole = { ...built.manifest, selfTest: { ...built.manifest.selfTest, digest: checked.digest } }
  return { ...built, whole, checked }
}

export const manifestText = (manifest: KernelManifest): string => `${JSON.stringify(manifest, null, 2)}\n`

/** The release of a checked project. The same project gives the same bytes. @throws Unfit when it is too large to propose */
export async function packProject({
  whole,
  source,
  module,
}: CheckedProject): Promise<{ bytes: Uint8Array; sha256: Sha256 }> {
  const bytes = await packRelease({ manifest: utf8(manifestText(whole)), module, source })
  if (bytes.length > PROPOSAL_BYTES_MAX)
    throw new Unfit([
      reasonOf(
        'release_too_large',
        `${bytes.length} bytes; the limit of a proposal is ${PROPOSAL_BYTES_MAX}`,
        'Leave generated files and data out.',
      ),
    ])
  return { bytes, sha256: await sha256(bytes) }
}

export interface CheckedRelease {
  readonly fit: FitRelease
  readonly checked: Checked
  readonly rebuilt: Rebuilt
}

/** Checks a release of somebody else's: its form, its metering, its sources, its runs. @throws Unfit */
export async function checkRelease(bytes: Uint8Array): Promise<CheckedRelease> {
  const examined = await examineForeign(bytes)
  if (!examined.ok) throw new Unfit(examined.reasons)
  const { fit, release } = examined
  const rebuilt = await rebuiltOf(fit.manifest, release.source)
  if (rebuilt === 'different')
    throw new Unfit([
      reasonOf(
        'not_from_source',
        'compiling its sources gives another module',
        'Pack again: sources and module are of one state.',
      ),
    ])
  const { selfTest, ...rest } = fit.manifest
  if (selfTest === undefined) throw new Error('an examined release has a self-test')
  const { digest, ...test } = selfTest
  const checked = await checkRuns({ ...rest, selfTest: test }, release.module)
  if (checked.digest !== digest)
    throw new Unfit([
      reasonOf(
        'self_test_digest',
        `its self-test gives ${checked.digest}, and the manifest says ${digest}`,
        'Pack with `xeenet kernel pack`, which computes it.',
      ),
    ])
  return { fit, checked, rebuilt }
}

const Answer = z.union([z.enum(['same', 'different']), z.object({ not: z.string() })])

async function rebuiltOf(
  manifest: KernelManifest,
  source: ReadonlyMap<string, Uint8Array>,
): Promise<Rebuilt> {
  const files = [...source].map(([path, bytes]) => [path, Buffer.from(bytes).toString('base64')] as const)
  const input = { manifest, source: Object.fromEntries(files) }
  try {
    return await inChild({ script: 'rebuild-process.ts', limitMs: REBUILD_MS }, input, Answer)
  } catch (error) {
    if (!(error instanceof ChildFailed)) throw error
    throw new Unfit([
      reasonOf('does_not_compile', error.message, 'The sources of the release compile by themselves.'),
    ])
  }
}

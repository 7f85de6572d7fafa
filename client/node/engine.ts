import { setFlagsFromString } from 'node:v8'
import type { Sha256 } from '#protocol/units.ts'
import type { KnownRelease } from '#runtime/known-release.ts'
import type { Judged } from '#runtime/release.ts'
import type { RunOutcome, RunTask } from '#runtime/run.ts'
import { judgeEngine, type ReadyKernel } from '#runtime/self-test.ts'
import type { Fitness } from '#runtime/volunteer.ts'
import type { EngineMemory } from './engine-memory.ts'

import { hasAvx2, REVECTORIZE, tryFastEngine } from './trial.ts'

/**
 * How V8 compiles kernels: `strict` as the standard says it, `fast` with revectorisation on top. The bits are the same, and no
 * run knows in which of the two it is.
 */
export type EngineKind = 'strict' | 'fast'
export const ENGINE_CHOICES = ['auto', 'strict', 'fast'] as const
export type EngineChoice = (typeof ENGINE_CHOICES)[number]

/** The engine of this process. */
export interface Engine {
  readonly kind: EngineKind
  readonly why: string
  /** Whether this process may compute a kernel: its self-test, once a process. */
  prove(kernel: ReadyKernel, compute: (task: RunTask) => Promise<RunOutcome>): Promise<Fitness>
}

type Trial = (kernel: KnownRelease) => Promise<Judged<object>>

interface EngineSettings {
  /** `fast` tries also where AVX2 cannot be seen, and where it failed before. */
  readonly choice: EngineChoice
  readonly memory: EngineMemory
  /** A kernel that this machine has already. */
  readonly known: KnownRelease | undefined
  readonly trial?: Trial
}

/** Chooses the engine and sets it for this process and its threads. Before this process compiles any kernel. */
export async function openEngine(settings: EngineSettings): Promise<Engine> {
  const { memory, trial = tryFastEngine } = settings
  const against = await reasonAgainst(settings)
  const kind = against === undefined ? 'fast' : 'strict'
  if (kind === 'fast') setFlagsFromString(REVECTORIZE) // the other flags are the entry's (`xeenet.js`)
  const proofs = new Map<Sha256, Promise<Fitness>>()

  async function proved(
    kernel: ReadyKernel,
    compute: (task: RunTask) => Promise<RunOutcome>,
  ): Promise<Fitness> {
    const tried = kind === 'fast' ? await tryOnce(memory, kernel, trial) : ({ ok: true } as const)
    const judged = tried.ok ? await judgeEngine(kernel, compute) : tried
    // The next start tests this kernel first, whatever came of it.
    const { lastRelease, passed } = memory.read()
    if (lastRelease !== kernel.releaseSha256) await memory.change({ lastRelease: kernel.releaseSha256 })
    if (judged.ok) return { ok: true }
    if (kind === 'fast')
      await memory.change({
        failure: judged.reason,
        passed: passed.filter(hash => hash !== kernel.moduleSha256),
      })
    return { ok: false, reason: judged.reason, again: kind === 'fast' }
  }

  return {
    kind,
    why: against ?? 'revectorised: two 128-bit operations in one of 256, the same bits',
    prove: (kernel, compute) => {
      const known = proofs.get(kernel.moduleSha256)
      if (known !== undefined) return known
      const proof = proved(kernel, compute)
      proofs.set(kernel.moduleSha256, proof)
      // A full disk or a lost thread is no answer: ask again next time.
      proof.catch(() => proofs.delete(kernel.moduleSha256))
      return proof
    },
  }
}

/** Why this process must be strict, or undefined. */
async function reasonAgainst({
  choice,
  memory,
  known,
  trial = tryFastEngine,
}: EngineSettings): Promise<string | undefined> {
  if (choice === 'strict') return 'by request'
  if (choice === 'auto') {
    if (!(await hasAvx2())) return 'this system shows no AVX2'
    const { failure } = memory.read()
    if (failure !== null) return `the fast engine failed here: ${failure}`
  }
  if (known === undefined) return undefined
  const tried = await tryOnce(memory, known, trial)
  if (tried.ok) return undefined
  await memory.change({ failure: tried.reason })
  return `the fast engine failed here: ${tried.reason}`
}

/** The trial in a process of its own, unless this machine passed it before. */
async function tryOnce(memory: EngineMemory, kernel: KnownRelease, trial: Trial) {
  const { passed } = memory.read()
  if (passed.includes(kernel.moduleSha256)) return { ok: true } as const
  const tried = await trial(kernel)
  if (tried.ok) await memory.change({ passed: [kernel.moduleSha256, ...passed], failure: null })
  return tried
}

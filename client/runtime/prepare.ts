import type { SignedRelease } from '#protocol/kernel.ts'
import type { RunErrorCode } from '#protocol/report.ts'
import type { Sha256 } from '#protocol/units.ts'
import { Refusal } from './api.ts'
import { backoffMs, type Rng } from './backoff.ts'
import { type FileCache, fetchByHash } from './cache.ts'
import { readRelease } from './release.ts'
import type { RunTask } from './run.ts'
import type { ReadyKernel } from './self-test.ts'

/** What a lease and a published plan have in common: all that a run needs, by name. */
export interface Planned {
  readonly job: string
  readonly runKey: Sha256
  readonly fuelMax: number
  readonly kernel: { readonly releaseSha256: Sha256; readonly moduleSha256: Sha256 }
  readonly data: readonly { readonly sha256: Sha256 }[]
}

export type Prepared =
  | { readonly ok: true; readonly task: RunTask; readonly kernel: ReadyKernel }
  | { readonly ok: false; readonly code: RunErrorCode; readonly detail: string }

export interface Files {
  readonly cache: FileCache
  readonly download: (hash: Sha256) => Promise<Uint8Array>
  /** Compiled modules of this process, by hash. */
  readonly modules: Map<Sha256, Promise<WebAssembly.Module>>
}

/** Fetches the kernel and the data of a run and compiles the module, which must have the hash in the plan. */
export async function prepareRun(plan: Planned, files: Files): Promise<Prepared> {
  const release = await fetchByHash(plan.kernel.releaseSha256, files)
  if (!release.ok) return release
  const content = await readRelease(release.bytes, plan.kernel.moduleSha256)
  if (!content.ok) return { ok: false, code: 'kernel_untrusted', detail: content.reason }
  const data: Uint8Array[] = []
  for (const { sha256 } of plan.data) {
    const file = await fetchByHash(sha256, files)
    if (!file.ok) return file
    data.push(file.bytes)
  }
  try {
    const { moduleSha256, releaseSha256 } = plan.kernel
    const module = await compiled(files.modules, moduleSha256, content.module)
    const { job, runKey, fuelMax } = plan
    const kernel = { manifest: content.manifest, moduleSha256, releaseSha256, module, release: release.bytes }
    return { ok: true, task: { job, runKey, fuelMax, module, data }, kernel }
  } catch (error) {
    if (!(error instanceof WebAssembly.CompileError)) throw error
    return { ok: false, code: 'kernel_refused', detail: error.message }
  }
}

/** The planned part of a lease. */
export const planOf = (lease: {
  job: string
  runKey: Sha256
  fuelMax: number
  kernel: { release: SignedRelease }
  data: readonly { sha256: Sha256 }[]
}): Planned => ({ ...lease, kernel: lease.kernel.release.statement })

// A host meets few kernels at a time; a compiled module holds tens of megabytes of code.
const MODULES_MAX = 4

function compiled(modules: Files['modules'], hash: Sha256, bytes: Uint8Array): Promise<WebAssembly.Module> {
  const known = modules.get(hash)
  if (known !== undefined) return known
  const oldest = modules.keys().next().value
  if (modules.size >= MODULES_MAX && oldest !== undefined) modules.delete(oldest)
  const module = WebAssembly.compile(new Uint8Array(bytes))
  modules.set(hash, module)
  return module
}

const DOWNLOAD_ATTEMPTS_MAX = 5

/** A download that bears a server's restart: repeats with jitter what a later attempt may mend. */
export function patiently(
  download: Files['download'],
  wait: { rng: Rng; sleep: (ms: number) => Promise<void> },
): Files['download'] {
  return async hash => {
    for (let attempt = 1; ; attempt++) {
      try {
        return await download(hash)
      } catch (error) {
        const final = error instanceof Refusal && !error.problem.retryable
        if (final || attempt === DOWNLOAD_ATTEMPTS_MAX) throw error
        const floor = error instanceof Refusal ? (error.problem.retryAfterMs ?? 0) : 0
        await wait.sleep(backoffMs(attempt, wait.rng, floor))
      }
    }
  }
}

// Native runs as a process of their own is given them.

import type { NativeOrder } from '#client/node/native/messages.ts'
import { sha256 } from '#protocol/canonical.ts'
import { type Job, jobText, type Recipe, runKeyOf } from '#protocol/job.ts'
import { canonicalRecipe } from '#protocol/kernel.ts'
import { MARKS } from '#protocol/limits.ts'
import type { Lease } from '#protocol/scheduler.ts'
import { readyKernel } from '#runtime/known-release.ts'
import { builtReleases } from '../../../client/node/known-kernels.ts'
import { sampleText } from '../../assembly/drive.ts'
import type { Peer } from '../peer.ts'

export const UPDATES = 40
const GIB = 1024 ** 3

/** The kernel as it was built. */
export async function charlm() {
  const kernels = await Promise.all((await builtReleases()).map(readyKernel))
  const kernel = kernels.find(({ manifest }) => manifest.name === 'charlm')
  if (kernel === undefined) throw new Error('npm run build')
  return kernel
}

/** A run of charlm on the CPU: small, and over a text of its own. */
export async function orderOf(
  changes: Partial<NativeOrder> = {},
  { recipe = {}, updates = UPDATES }: { recipe?: Recipe; updates?: number } = {},
): Promise<NativeOrder> {
  const { manifest, release, moduleSha256 } = await charlm()
  const canonical = canonicalRecipe(manifest, recipe)
  if (!canonical.ok) throw new Error(canonical.reason)
  const limit = { updates }
  const job: Job = {
    kernel: 'charlm@1',
    task: 'train',
    recipe: canonical.recipe,
    seed: 5,
    limit,
    marks: MARKS,
  }
  const data = [sampleText(40_000, 3), sampleText(2_000, 4)]
  return {
    ...{
      provider: 'cpu',
      engineClass: 'onnx-cpu',
      job: jobText(job),
      release,
      moduleSha256,
      data,
      flops: 10 ** 9,
    },
    ...{
      runKey: await runKeyOf(
        moduleSha256,
        await Promise.all(data.map(sha256)),
        job,
        changes.engineClass ?? 'onnx-cpu',
      ),
    },
    ...{ fuelMax: manifest.bounds.fuelMax, memoryBytesMax: 4 * GIB, ...changes },
  }
}

/** A lease of the run, whose files the peer serves. */
export async function lend(peer: Peer, order: NativeOrder): Promise<Lease> {
  const { manifest, releaseSha256, release } = await charlm()
  const { name, version, serial } = manifest
  const { job, runKey, fuelMax, flops, engineClass, moduleSha256 } = order
  const signed = await peer.publish({ name, version, serial, releaseSha256, moduleSha256 }, release)
  const data: Lease['data'] = []
  for (const bytes of order.data) {
    const hash = await sha256(bytes)
    peer.files.set(hash, bytes)
    data.push({ sha256: hash, bytes: bytes.length })
  }
  const kernel = { name, version, release: signed }
  const memoryPagesMax = manifest.memoryPagesMax
  return peer.lease(1, 'normal', { job, runKey, fuelMax, flops, engineClass, kernel, data, memoryPagesMax })
}

import type { DatasetManifest } from '#protocol/dataset.ts'
import { splitOf } from '#protocol/dataset.ts'
import type { KernelManifest } from '#protocol/kernel.ts'
import type { Sha256 } from '#protocol/units.ts'
import { datasetsByHash } from '#store/datasets.ts'
import { type KernelRow, kernelsByHash } from '#store/kernels.ts'
import type { Executor } from '#store/rows.ts'

/** Kernels and data sets by hash. What a hash names never changes, so each is read once. */
export interface Catalogue {
  kernel(on: Executor, moduleSha256: Sha256): Promise<KernelRow>
  dataset(on: Executor, sha256: Sha256): Promise<DatasetManifest>
}

export function newCatalogue(): Catalogue {
  return {
    kernel: remember(kernelsByHash),
    dataset: remember(datasetsByHash),
  }
}

function remember<T>(
  find: (on: Executor, hashes: readonly string[]) => Promise<T[]>,
): (on: Executor, hash: Sha256) => Promise<T> {
  const known = new Map<Sha256, T>()
  return async (on, hash) => {
    const remembered = known.get(hash)
    if (remembered !== undefined) return remembered
    const [found] = await find(on, [hash])
    if (found === undefined) throw new Error(`nothing is stored under ${hash}`)
    known.set(hash, found)
    return found
  }
}

/** The files for a kernel's slots 1…, in order. Throws when the data set lacks a split that the kernel reads. */
export const slotFiles = (
  manifest: KernelManifest,
  dataset: DatasetManifest,
): { sha256: Sha256; bytes: number }[] =>
  manifest.slots.map(slot => {
    const { sha256, bytes } = splitOf(dataset, slot.split)
    return { sha256, bytes }
  })

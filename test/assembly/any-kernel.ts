// Runs of any kernel of this repository: a whole job from the manifest's defaults, and slots in the manifest's order.

import { readFileSync } from 'node:fs'
import { admit } from '#kernels/admit.ts'
import { canonicalJson } from '#protocol/canonical.ts'
import type { Recipe } from '#protocol/job.ts'
import { canonicalRecipe, type KernelManifest, KernelSource } from '#protocol/kernel.ts'
import { type Driven, drive, instantiate, type KernelExports, moduleOf, say } from './drive.ts'

export interface AnyJob {
  readonly task?: 'train' | 'evaluate'
  readonly recipe?: Recipe
  readonly seed?: number
  readonly limit: { readonly fuel: number } | { readonly updates: number }
}

/** A kernel's folder, ready to run: its manifest and its module as compiled. */
export interface AnyKernel {
  readonly manifest: KernelManifest
  readonly raw: Uint8Array
}

export const kernelOf = async (folder: string): Promise<AnyKernel> => ({
  manifest: manifestOf(folder),
  raw: await moduleOf(folder),
})

/** The module as admission rewrites it. */
export function meteredOf({ raw, manifest }: AnyKernel): Uint8Array {
  const admission = admit(raw, { memoryPagesMax: Math.max(manifest.memoryPagesMax, COMPILED_PAGES) })
  if (!admission.ok) throw new Error(JSON.stringify(admission.refusals))
  return admission.module
}

// `moduleOf` compiles every kernel with this much memory.
const COMPILED_PAGES = 4096

/** The manifest as it stands in the source, without the self-test. */
export function manifestOf(folder: string): KernelManifest {
  const file = new URL(`../../assembly/${folder}/manifest.json`, import.meta.url)
  const { selfTest: _, ...manifest } = KernelSource.parse(JSON.parse(readFileSync(file, 'utf8')))
  return manifest
}

/** The manifest's defaults with changes, which may break its rules. */
export function recipeOf(manifest: KernelManifest, changes: Recipe = {}): Recipe {
  const defaults = canonicalRecipe(manifest, {})
  if (!defaults.ok) throw new Error(defaults.reason)
  return { ...defaults.recipe, ...changes }
}

/** The text of slot 0. */
export function textOf(
  manifest: KernelManifest,
  { task = 'train', recipe, seed = 1, limit }: AnyJob,
): string {
  const kernel = `${manifest.name}@${manifest.version}`
  return canonicalJson({ kernel, task, recipe: recipeOf(manifest, recipe), seed, limit, marks: 8 })
}

/** Writes the job and the slots behind it and calls `xee_init`; its code. */
export function beginAny(kernel: KernelExports, text: string, slots: readonly Uint8Array[]): number {
  if (kernel.xee_phase) kernel.xee_phase.value = 1
  if (kernel.xee_fuel) kernel.xee_fuel.value = BigInt(Number.MAX_SAFE_INTEGER)
  kernel._initialize?.()
  const inputs = [new TextEncoder().encode(text), ...slots]
  inputs.forEach((bytes, slot) => {
    const start = kernel.xee_alloc(slot, bytes.length)
    if (start === 0) throw new Error(`no room for slot ${slot}`)
    new Uint8Array(kernel.memory.buffer, start, bytes.length).set(bytes)
  })
  const code = kernel.xee_init()
  if (kernel.xee_phase) kernel.xee_phase.value = 0
  return code
}

/** A whole run of a fresh instance of `module`. */
export async function runAny(
  module: Uint8Array,
  manifest: KernelManifest,
  job: AnyJob,
  slots: readonly Uint8Array[],
): Promise<Driven> {
  return drive(await beginRun(module, manifest, job, slots), { limit: job.limit })
}

/** A fresh instance of `module` before its first step. */
export async function beginRun(
  module: Uint8Array,
  manifest: KernelManifest,
  job: AnyJob,
  slots: readonly Uint8Array[],
): Promise<KernelExports> {
  const kernel = await instantiate<KernelExports>(module)
  const code = beginAny(kernel, textOf(manifest, job), slots)
  if (code !== 0) throw new Error(`xee_init says ${code}: ${say(kernel).reason}`)
  return kernel
}

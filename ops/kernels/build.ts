// From the sources of a kernel to its release: compile, admit (which meters), pack.

import { createHash } from 'node:crypto'
import { globSync } from 'node:fs'
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { z } from 'zod'
import { admit } from '#kernels/admit.ts'
import { packRelease } from '#kernels/package.ts'
import { sha256 } from '#protocol/canonical.ts'
import { KernelManifest } from '#protocol/kernel.ts'
import { Sha256 } from '#protocol/units.ts'
import { compileAssembly } from './compile.ts'

const ROOT = join(import.meta.dirname, '..', '..')
const OUT = join(ROOT, 'build', 'kernels')
// Whatever can change a release's bytes beside its own sources: the compiler's version, metering, and this folder.
const TOOLS = ['package-lock.json', 'server/kernels/*.ts', 'ops/kernels/*.ts']

/** What stands beside the tar in `build/kernels`. */
export const BuiltKernel = z.strictObject({
  name: z.string(),
  version: z.int(),
  serial: z.int(),
  releaseSha256: Sha256,
  moduleSha256: Sha256,
  /** Of everything the bytes follow from: unchanged inputs are not built again. */
  inputsSha256: Sha256,
})
export type BuiltKernel = z.infer<typeof BuiltKernel>

/** What `assembly/<name>/release.json` promises: this version is these bytes. */
export const PublishedKernel = z.strictObject({
  name: z.string(),
  version: z.int(),
  serial: z.int(),
  moduleSha256: Sha256,
})
export type PublishedKernel = z.infer<typeof PublishedKernel>

/** The kernels of this repository: the folders of `assembly/` that have a manifest. */
export function kernelFolders(): string[] {
  return globSync('assembly/*/manifest.json', { cwd: ROOT })
    .map(file => file.replaceAll('\\', '/').split('/')[1] ?? '')
    .sort()
}

/** Builds `assembly/<folder>` into `build/kernels/<name>@<version>.tar` and `.json`; what is up to date is left alone. */
export async function buildKernel(folder: string): Promise<{ kernel: BuiltKernel; fresh: boolean }> {
  const manifestBytes = await readFile(join(ROOT, 'assembly', folder, 'manifest.json'))
  const manifest = KernelManifest.parse(JSON.parse(manifestBytes.toString()))
  const base = join(OUT, `${manifest.name}@${manifest.version}`)
  const source = await readAll(sourcesOf(folder))
  const inputsSha256 = hashOf(new Map([...source, ...(await readAll(matching(TOOLS)))]))
  const known = await readBuilt(base)
  if (known?.inputsSha256 === inputsSha256) return { kernel: known, fresh: false }
  const module = await admitted(folder, manifest)
  const release = await packRelease({ manifest: manifestBytes, module, source })
  const { name, version, serial } = manifest
  const [releaseSha256, moduleSha256] = [await sha256(release), await sha256(module)]
  const kernel = { name, version, serial, releaseSha256, moduleSha256, inputsSha256 }
  await writeWhole(`${base}.tar`, release)
  await writeWhole(`${base}.json`, `${JSON.stringify(kernel, null, 2)}\n`) // last: it vouches for the tar
  return { kernel, fresh: true }
}

/** What the repository promises of the kernel in `assembly/<folder>`, if it was ever published. */
export async function readPublished(folder: string): Promise<PublishedKernel | undefined> {
  const text = await readFile(publishedFile(folder), 'utf8').catch(missing)
  return text === undefined ? undefined : PublishedKernel.parse(JSON.parse(text))
}

/** Makes the built module the published one. */
export async function publish(folder: string, kernel: BuiltKernel): Promise<void> {
  const { name, version, serial, moduleSha256 } = kernel
  const published = PublishedKernel.parse({ name, version, serial, moduleSha256 })
  await writeWhole(publishedFile(folder), `${JSON.stringify(published, null, 2)}\n`)
}

const publishedFile = (folder: string): string => join(ROOT, 'assembly', folder, 'release.json')

async function admitted(folder: string, { memoryPagesMax }: KernelManifest): Promise<Uint8Array> {
  const admission = admit(await compileAssembly(`assembly/${folder}/index.ts`, memoryPagesMax), {
    memoryPagesMax,
  })
  if (admission.ok) return admission.module
  const reasons = admission.refusals.map(({ code, detail, hint }) => `${code}: ${detail}. ${hint}`)
  throw new Error(`assembly/${folder} is not admitted\n${reasons.join('\n')}`)
}

/** Files that travel with the release: enough to compile it again. Not release.json, which states the outcome. */
const sourcesOf = (folder: string): string[] =>
  matching([
    'assembly/SPEC.md',
    `assembly/${folder}/SPEC.md`,
    'assembly/tsconfig.json',
    'assembly/lib/*.ts',
    `assembly/${folder}/*.ts`,
    `assembly/${folder}/manifest.json`,
  ])

const matching = (patterns: readonly string[]): string[] =>
  patterns
    .flatMap(pattern => globSync(pattern, { cwd: ROOT }))
    .map(file => file.replaceAll('\\', '/'))
    .sort()

async function readAll(paths: readonly string[]): Promise<Map<string, Uint8Array>> {
  return new Map(
    await Promise.all(paths.map(async path => [path, await readFile(join(ROOT, path))] as const)),
  )
}

function hashOf(files: ReadonlyMap<string, Uint8Array>): Sha256 {
  const hash = createHash('sha256')
  for (const [path, bytes] of files) hash.update(`${path}\0${bytes.length}\0`).update(bytes)
  return Sha256.parse(hash.digest('hex'))
}

/** The description of an earlier build, if it is whole: its tar has the hash that it states. */
async function readBuilt(base: string): Promise<BuiltKernel | undefined> {
  const text = await readFile(`${base}.json`, 'utf8').catch(missing)
  const tar = await readFile(`${base}.tar`).catch(missing)
  if (text === undefined || tar === undefined) return undefined
  const built = BuiltKernel.safeParse(JSON.parse(text))
  return built.success && (await sha256(tar)) === built.data.releaseSha256 ? built.data : undefined
}

function missing(error: unknown): undefined {
  if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
  throw error
}

/** By a rename, since several processes may build at once: a reader sees the old file or the new one. */
async function writeWhole(path: string, content: Uint8Array | string): Promise<void> {
  await mkdir(dirname(path), { recursive: true })
  const temporary = `${path}.${process.pid}.tmp`
  await writeFile(temporary, content)
  await rename(temporary, path)
}

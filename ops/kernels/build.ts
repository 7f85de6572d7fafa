// From the sources of a kernel to its release: compile, admit (which meters), pack.

import { createHash } from 'node:crypto'
import { globSync, readFileSync } from 'node:fs'
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { z } from 'zod'
import { admit } from '#kernels/admit.ts'
import { packRelease } from '#kernels/package.ts'
import { sha256, utf8 } from '#protocol/canonical.ts'
import { type KernelManifest, KernelSource } from '#protocol/kernel.ts'
import { Sha256 } from '#protocol/units.ts'
import { runJob } from '#runtime/run.ts'
import { freely, runSelfTest } from '#runtime/self-test.ts'
import { compileAssembly } from './compile.ts'

const ROOT = join(import.meta.dirname, '..', '..')
const OUT = join(ROOT, 'build', 'kernels')
// Whatever can change a release's bytes beside its own sources: the compiler's version, metering, this folder, and the
// form of the report under a self-test's digest.
const TOOLS = [
  'package-lock.json',
  'server/kernels/*.ts',
  'ops/kernels/{build,compile}.ts',
  'server/protocol/{kernel,job,report}.ts',
  'client/runtime/{run,report,self-test}.ts',
]

/** What stands beside the tar in `build/kernels`. */
export const BuiltKernel = z.strictObject({
  name: z.string(),
  version: z.int(),
  serial: z.int(),
  releaseSha256: Sha256,
  moduleSha256: Sha256,
  /** Digest of the self-test. */
  selfTestDigest: Sha256,
  /** Of everything the bytes follow from: unchanged inputs are not built again. */
  inputsSha256: Sha256,
})
export type BuiltKernel = z.infer<typeof BuiltKernel>

/** What `assembly/<name>/release.json` promises: this version is these bytes, and its self-test ends so on every engine. */
export const PublishedKernel = BuiltKernel.omit({ releaseSha256: true, inputsSha256: true })
export type PublishedKernel = z.infer<typeof PublishedKernel>

/** The kernels that a server begins with: the folders of `assembly/` whose manifest names no source, which makes a project of its own. */
export function kernelFolders(): string[] {
  return globSync('assembly/*/manifest.json', { cwd: ROOT })
    .filter(
      file => KernelSource.parse(JSON.parse(readFileSync(join(ROOT, file), 'utf8'))).source === undefined,
    )
    .map(file => file.replaceAll('\\', '/').split('/')[1] ?? '')
    .sort()
}

/**
 * Builds `assembly/<folder>` into `build/kernels/<name>@<version>.tar` and `.json`; what is up to date is left alone. The
 * release's manifest is the source's with the digest of the self-test, which is computed here.
 */
export async function buildKernel(folder: string): Promise<{ kernel: BuiltKernel; fresh: boolean }> {
  const manifest = KernelSource.parse(JSON.parse(await readFile(manifestFile(folder), 'utf8')))
  const base = join(OUT, `${manifest.name}@${manifest.version}`)
  const source = await readAll(sourcesOf(folder))
  const inputsSha256 = hashOf(new Map([...source, ...(await readAll(matching(TOOLS)))]))
  const known = await readBuilt(base)
  if (known?.inputsSha256 === inputsSha256) return { kernel: known, fresh: false }
  const module = await admitted(folder, manifest)
  const moduleSha256 = await sha256(module)
  const digest = await selfTestDigest(manifest, module, moduleSha256)
  const whole: KernelManifest = { ...manifest, selfTest: { ...manifest.selfTest, digest } }
  const release = await packRelease({ manifest: utf8(`${JSON.stringify(whole, null, 2)}\n`), module, source })
  const { name, version, serial } = manifest
  const releaseSha256 = await sha256(release)
  const kernel = { name, version, serial, releaseSha256, moduleSha256, selfTestDigest: digest, inputsSha256 }
  await writeWhole(`${base}.tar`, release)
  await writeWhole(`${base}.json`, `${JSON.stringify(kernel, null, 2)}\n`) // last: it vouches for the tar
  return { kernel, fresh: true }
}

/** Builds the kernel in `assembly/<folder>`, if need be: its name and its release as a file. */
export async function builtKernel(folder: string): Promise<{ readonly name: string; readonly file: string }> {
  const { kernel } = await buildKernel(folder)
  const name = `${kernel.name}@${kernel.version}`
  return { name, file: join(OUT, `${name}.tar`) }
}

/** What the repository promises of the kernel in `assembly/<folder>`, if it was ever published. */
export async function readPublished(folder: string): Promise<PublishedKernel | undefined> {
  const text = await readFile(publishedFile(folder), 'utf8').catch(missing)
  return text === undefined ? undefined : PublishedKernel.parse(JSON.parse(text))
}

/** Makes the built module the published one. */
export async function publish(folder: string, kernel: BuiltKernel): Promise<void> {
  const { name, version, serial, moduleSha256, selfTestDigest } = kernel
  const published: PublishedKernel = { name, version, serial, moduleSha256, selfTestDigest }
  await writeWhole(publishedFile(folder), `${JSON.stringify(published, null, 2)}\n`)
}

const manifestFile = (folder: string): string => join(ROOT, 'assembly', folder, 'manifest.json')
const publishedFile = (folder: string): string => join(ROOT, 'assembly', folder, 'release.json')

async function selfTestDigest(
  manifest: KernelSource,
  module: Uint8Array,
  moduleSha256: Sha256,
): Promise<Sha256> {
  const { selfTest, ...rest } = manifest
  const kernel = { manifest: rest, moduleSha256, module: await WebAssembly.compile(new Uint8Array(module)) }
  const ended = await runSelfTest(kernel, selfTest, task =>
    runJob(
      task,
      freely(() => performance.now()),
    ),
  )
  if (!ended.ok) throw new Error(`${manifest.name}@${manifest.version}: ${ended.reason}`)
  return ended.digest
}

async function admitted(folder: string, { memoryPagesMax }: KernelSource): Promise<Uint8Array> {
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

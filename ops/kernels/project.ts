// The folder of a foreign kernel: manifest.json, the entry that it names, and what else is to travel as source.

import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { admit } from '#kernels/admit.ts'
import { UNMETERED } from '#kernels/examine.ts'
import { type KernelSource, KernelSource as Source } from '#protocol/kernel.ts'
import { PROPOSAL_BYTES_MAX } from '#protocol/limits.ts'
import { reasonOf } from '#protocol/proposals.ts'
import ascPackage from '../../package.json' with { type: 'json' }
import { clangVersion, compileC } from './clang.ts'
import { compileSources } from './compile.ts'
import { Unfit } from './unfit.ts'

/** A project that compiles and is admitted. */
export interface Built {
  /** With the compiler named; the digest of the self-test is not known yet. */
  readonly manifest: KernelSource
  readonly source: ReadonlyMap<string, Uint8Array>
  /** Metered. */
  readonly module: Uint8Array
}

/** What travels as source: text beside the manifest, not in folders, none that begins with a dot. */
const SOURCE_NAME = /^[A-Za-z0-9_-][A-Za-z0-9._-]*\.(ts|c|h|md|json)$/

const ascVersion = `asc ${ascPackage.dependencies.assemblyscript}`

/** Reads, compiles, admits and meters the kernel in a folder. @throws Unfit with every reason */
export async function buildProject(directory: string): Promise<Built> {
  const source = await readSources(directory)
  const manifest = readManifest(source)
  const made = manifest.source
  if (made === undefined)
    throw unfit('manifest_invalid', 'source: missing', 'Say the language and the entry file.')
  if (!source.has(made.entry))
    throw unfit('source_missing', `${made.entry} is not in ${directory}`, 'The manifest names the entry.')
  const [unmetered, compiler] =
    made.language === 'c'
      ? [await compileC(directory, made.entry, manifest.memoryPagesMax), await clangVersion()]
      : [await compileAs(made.entry, source, manifest.memoryPagesMax), ascVersion]
  return {
    manifest: { ...manifest, source: { ...made, compiler } },
    source: new Map([...source, [UNMETERED, unmetered]]),
    module: admitted(unmetered, manifest.memoryPagesMax),
  }
}

export type Rebuilt = 'same' | 'different' | { readonly not: string }

/** Compiles the sources of a release again, in the language for which the same compiler is here. */
export async function rebuild(
  manifest: Pick<KernelSource, 'source' | 'memoryPagesMax'>,
  source: ReadonlyMap<string, Uint8Array>,
): Promise<Rebuilt> {
  const made = manifest.source
  if (made?.language !== 'assemblyscript')
    return { not: `sources in ${made?.language ?? 'an unknown language'} are not compiled here` }
  if (made.compiler !== ascVersion)
    return { not: `it was compiled by ${made.compiler ?? 'an unnamed compiler'}, and here is ${ascVersion}` }
  const again = await compileAs(made.entry, source, manifest.memoryPagesMax)
  return Buffer.compare(again, source.get(UNMETERED) ?? new Uint8Array()) === 0 ? 'same' : 'different'
}

async function compileAs(
  entry: string,
  source: ReadonlyMap<string, Uint8Array>,
  memoryPagesMax: number,
): Promise<Uint8Array> {
  try {
    return await compileSources(entry, source, memoryPagesMax)
  } catch (error) {
    throw unfit(
      'does_not_compile',
      error instanceof Error ? error.message : String(error),
      'Correct what the compiler names.',
    )
  }
}

function admitted(unmetered: Uint8Array, memoryPagesMax: number): Uint8Array {
  const admission = admit(unmetered, { memoryPagesMax })
  if (admission.ok) return admission.module
  throw new Unfit(admission.refusals.map(({ code, detail, hint }) => reasonOf(code, detail, hint)))
}

function readManifest(source: ReadonlyMap<string, Uint8Array>): KernelSource {
  const parsed = Source.safeParse(parseJson(Buffer.from(source.get('manifest.json') ?? []).toString()))
  if (parsed.success) return parsed.data
  throw unfit(
    'manifest_invalid',
    `manifest.json: ${z.prettifyError(parsed.error)}`,
    '`xeenet kernel new` writes one to begin with.',
  )
}

async function readSources(directory: string): Promise<ReadonlyMap<string, Uint8Array>> {
  const names = (await readdir(directory)).filter(name => SOURCE_NAME.test(name)).sort()
  const sizes = await Promise.all(names.map(async name => (await stat(join(directory, name))).size))
  const total = sizes.reduce((sum, size) => sum + size, 0)
  if (total > PROPOSAL_BYTES_MAX)
    throw unfit(
      'release_too_large',
      `${total} bytes of sources; the limit is ${PROPOSAL_BYTES_MAX}`,
      'Leave generated files and data out.',
    )
  return new Map(
    await Promise.all(names.map(async name => [name, await readFile(join(directory, name))] as const)),
  )
}

const unfit = (code: string, detail: string, hint: string): Unfit => new Unfit([reasonOf(code, detail, hint)])

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined // the schema then says what is missing
  }
}

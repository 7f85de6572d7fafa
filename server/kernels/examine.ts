// What can be said of a release without running it: its form, its manifest, its module. Used for proposals of strangers by the
// server, and by whoever signs.

import { z } from 'zod'
import { fromUtf8, sha256 } from '#protocol/canonical.ts'
import { KernelManifest, manifestFault } from '#protocol/kernel.ts'
import { MANIFEST_BYTES_MAX } from '#protocol/limits.ts'
import { type Reason, reasonOf } from '#protocol/proposals.ts'
import type { Sha256 } from '#protocol/units.ts'
import { admit } from './admit.ts'
import { type Release, readRelease } from './package.ts'

/** A release that was read and found fit to be signed, as far as reading tells. */
export interface FitRelease {
  readonly bytes: Uint8Array
  readonly manifest: KernelManifest
  readonly releaseSha256: Sha256
  readonly moduleSha256: Sha256
}

export type Examined<T> =
  | ({ readonly ok: true } & T)
  | { readonly ok: false; readonly reasons: readonly Reason[] }

/** The module before metering, among the sources of a foreign release: admission is repeated from it. */
export const UNMETERED = 'unmetered.wasm'

/** Form and manifest, and that the module is one that admission made. Any bytes are answered with a value. */
export async function examine(bytes: Uint8Array): Promise<Examined<{ fit: FitRelease; release: Release }>> {
  const reading = await readRelease(bytes)
  if (!reading.ok) return refused(reading.code, reading.detail, reading.hint)
  const { release } = reading
  if (release.manifest.length > MANIFEST_BYTES_MAX)
    return refused(
      'manifest_too_large',
      `${release.manifest.length} bytes; the limit is ${MANIFEST_BYTES_MAX}`,
      'Say less: texts, choices, formulas.',
    )
  const parsed = KernelManifest.safeParse(parseJson(release.manifest))
  if (!parsed.success)
    return refused('manifest_invalid', z.prettifyError(parsed.error), 'See the schema of kernel manifests.')
  const manifest = parsed.data
  const fault = manifestFault(manifest)
  if (fault !== undefined)
    return refused('manifest_invalid', fault, 'Defaults keep every range and rule; formulas name parameters.')
  if (manifest.selfTest === undefined)
    return refused(
      'self_test_missing',
      'the manifest states no self-test, and no host would compute it',
      'Pack with `xeenet kernel pack`, which computes the digest of the self-test.',
    )
  const unmetered = await faultOfModule(release.module)
  if (unmetered !== undefined) return { ok: false, reasons: [unmetered] }
  const [releaseSha256, moduleSha256] = [await sha256(bytes), await sha256(release.module)]
  return { ok: true, fit: { bytes, manifest, releaseSha256, moduleSha256 }, release }
}

/**
 * The same, and that admitting the unmetered module gives the module of the release again: nobody's word is needed for the
 * metering. For the kernels of others.
 */
export async function examineForeign(
  bytes: Uint8Array,
): Promise<Examined<{ fit: FitRelease; release: Release }>> {
  const examined = await examine(bytes)
  if (!examined.ok) return examined
  const { manifest } = examined.fit
  const { source, module } = examined.release
  if (manifest.source === undefined)
    return refused('source_missing', 'the manifest has no source', 'Say the language and the entry file.')
  if (!source.has(manifest.source.entry))
    return refused('source_missing', `source/${manifest.source.entry} is not in the release`, PACK)
  // Another count than a sibling's is held against a host: nobody but the operator may say that it should be the same.
  if (manifest.steadyFuel !== undefined)
    return refused('manifest_invalid', 'steadyFuel: not for kernels of others', 'Leave it out.')
  const unmetered = source.get(UNMETERED)
  if (unmetered === undefined)
    return refused('source_missing', `source/${UNMETERED} is not in the release`, PACK)
  const admission = admit(unmetered, { memoryPagesMax: manifest.memoryPagesMax })
  if (!admission.ok)
    return {
      ok: false,
      reasons: admission.refusals.map(({ code, detail, hint }) => reasonOf(code, detail, hint)),
    }
  if (!equal(admission.module, module))
    return refused('module_differs', `admitting source/${UNMETERED} gives another module`, PACK)
  return examined
}

const PACK = 'Pack with `xeenet kernel pack`.'

const refused = (code: string, detail: string, hint: string): Examined<never> => ({
  ok: false,
  reasons: [reasonOf(code, detail, hint)],
})

// These catch a release that was packed from the wrong file. Only admission adds xee_fuel: a module that brings an export of
// that name is refused there.
async function faultOfModule(module: Uint8Array): Promise<Reason | undefined> {
  const hint = 'Build the release, which admits and meters the module.'
  const compiled = await compile(module)
  if (typeof compiled === 'string') return reasonOf('module_invalid', compiled, hint)
  const [foreign] = WebAssembly.Module.imports(compiled)
  if (foreign !== undefined)
    return reasonOf('module_imports', `the module imports ${foreign.module}.${foreign.name}`, hint)
  const exported = WebAssembly.Module.exports(compiled).map(entry => entry.name)
  if (!exported.includes('xee_fuel'))
    return reasonOf('module_not_metered', 'the module of the release is not metered', hint)
  const missing = REQUIRED_EXPORTS.find(name => !exported.includes(name))
  if (missing !== undefined)
    return reasonOf('module_incomplete', `the module does not export ${missing}`, hint)
  return undefined
}

const REQUIRED_EXPORTS = ['memory', 'xee_abi', 'xee_alloc', 'xee_init', 'xee_step', 'xee_output']

async function compile(module: Uint8Array): Promise<WebAssembly.Module | string> {
  try {
    return await WebAssembly.compile(new Uint8Array(module))
  } catch (error) {
    if (error instanceof WebAssembly.CompileError) return error.message
    throw error
  }
}

const equal = (a: Uint8Array, b: Uint8Array): boolean =>
  a.length === b.length && a.every((byte, i) => byte === b[i])

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(fromUtf8(bytes))
  } catch {
    return undefined // the schema then says what is wrong
  }
}

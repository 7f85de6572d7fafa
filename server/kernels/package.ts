// A kernel release as a file: a tar of manifest.json, module.wasm and source/, named by its SHA-256. The same content
// gives the same bytes, and only those bytes are read: no links, no times, no owners, nothing hidden between entries.

import { Header, Parser, type ReadEntry } from 'tar'
import { RELEASE_BYTES_MAX, RELEASE_FILES_MAX } from '#protocol/limits.ts'

export interface Release {
  readonly manifest: Uint8Array // the exact bytes; their schema is the caller's business
  readonly module: Uint8Array // the metered one
  readonly source: ReadonlyMap<string, Uint8Array> // by path below source/
}

type ReleaseRefusalCode = keyof typeof HINTS

export type Reading =
  | { readonly ok: true; readonly release: Release }
  | { readonly ok: false; readonly code: ReleaseRefusalCode; readonly detail: string; readonly hint: string }

/**
 * Packs a release. Paths of sources are relative, of the letters A-Z a-z 0-9 . _ - and /, at most 90 characters.
 * @throws RangeError for a path or a size that readRelease would refuse
 */
export async function packRelease({ manifest, module, source }: Release): Promise<Uint8Array> {
  const sources = Array.from(source, ([path, bytes]) => [`source/${path}`, bytes] as const)
  // By code unit, not by locale: the order is part of the bytes.
  sources.sort(([a], [b]) => (a < b ? -1 : 1))
  const files = [['manifest.json', manifest] as const, ['module.wasm', module] as const, ...sources]
  const refusal = refusalOf(files)
  if (refusal !== undefined) throw new RangeError(`${refusal[0]}: ${refusal[1]}`)
  const blocks = files.flatMap(([path, bytes]) => [header(path, bytes.length), bytes, padding(bytes.length)])
  const packed = concat([...blocks, new Uint8Array(2 * BLOCK)])
  if (packed.length > RELEASE_BYTES_MAX)
    throw new RangeError(`release_too_large: ${packed.length} bytes; the limit is ${RELEASE_BYTES_MAX}`)
  return packed
}

/** Reads a release. Any bytes are answered with a value. */
export async function readRelease(bytes: Uint8Array): Promise<Reading> {
  if (bytes.length > RELEASE_BYTES_MAX)
    return refused('release_too_large', `${bytes.length} bytes; the limit is ${RELEASE_BYTES_MAX}`)
  // Also keeps the parser from unpacking compressed bytes.
  if (!startsWith(bytes, MANIFEST_NAME))
    return refused('release_malformed', 'it does not begin with manifest.json')
  const entries = await readEntries(bytes)
  if (typeof entries === 'string') return refused('release_malformed', entries)
  const wrong = entries.find(({ type }) => type !== 'File')
  if (wrong !== undefined) return refused('release_entry_type', `${wrong.path} is a ${wrong.type}`)
  const files = entries.map(({ path, bytes: content }) => [path, content] as const)
  const refusal = refusalOf(files)
  if (refusal !== undefined) return refused(...refusal)
  const [manifest, module, ...sources] = files
  if (manifest?.[0] !== 'manifest.json' || module?.[0] !== 'module.wasm')
    return refused(
      'release_incomplete',
      `it begins with ${files
        .slice(0, 2)
        .map(([path]) => path)
        .join(', ')}`,
    )
  const source = new Map(sources.map(([path, content]) => [path.slice('source/'.length), content]))
  const release = { manifest: manifest[1], module: module[1], source }
  return equal(await packRelease(release), bytes)
    ? { ok: true, release }
    : refused('release_not_canonical', 'packing its content again gives other bytes')
}

const HINTS = {
  release_too_large: 'Leave generated files and data out of source/.',
  release_malformed: 'The bytes are not a release: pack with `xeenet kernel pack`, and check the download.',
  release_entry_type: 'A release holds plain files only: no links, directories or devices.',
  release_path:
    'Paths are relative, below source/, without . or .. parts, of A-Z a-z 0-9 . _ - and /, at most 90 characters.',
  release_too_many_files: 'Leave generated files out of source/.',
  release_duplicate: 'Each path occurs once.',
  release_incomplete: 'manifest.json comes first, module.wasm second.',
  release_not_canonical: 'Pack with `xeenet kernel pack`: times, owners, order and padding are fixed.',
} as const satisfies Record<string, string>

const BLOCK = 512
const MANIFEST_NAME = new TextEncoder().encode('manifest.json\0')
const SOURCE_PATH = /^source(\/[A-Za-z0-9_-][A-Za-z0-9._-]*)+$/
const PATH_CHARS_MAX = 97 // with source/ before it; a tar header holds 100

type File = readonly [path: string, bytes: Uint8Array]

function refusalOf(files: readonly File[]): readonly [ReleaseRefusalCode, string] | undefined {
  if (files.length > RELEASE_FILES_MAX)
    return ['release_too_many_files', `${files.length} files; the limit is ${RELEASE_FILES_MAX}`]
  const paths = files.map(([path]) => path)
  const bad = paths.slice(2).find(path => !SOURCE_PATH.test(path) || path.length > PATH_CHARS_MAX)
  if (bad !== undefined) return ['release_path', JSON.stringify(bad.slice(0, 200))]
  const twice = paths.find((path, i) => paths.indexOf(path) !== i)
  return twice === undefined ? undefined : ['release_duplicate', twice]
}

const refused = (code: ReleaseRefusalCode, detail: string): Reading => ({
  ok: false,
  code,
  detail,
  hint: HINTS[code],
})

function header(path: string, size: number): Uint8Array {
  const block = Buffer.alloc(BLOCK)
  new Header({ path, size, mode: 0o644, uid: 0, gid: 0, mtime: new Date(0), type: 'File' }).encode(block, 0)
  return block
}

const padding = (length: number): Uint8Array => new Uint8Array((BLOCK - (length % BLOCK)) % BLOCK)

interface Entry {
  readonly path: string
  readonly type: string
  readonly bytes: Uint8Array
}

/** The entries of a tar, or why it is none. Stops at the limit of files: a tar of headers alone holds many. */
function readEntries(bytes: Uint8Array): Promise<readonly Entry[] | string> {
  return new Promise(resolve => {
    const entries: Entry[] = []
    const parser = new Parser({
      strict: true,
      brotli: false,
      onReadEntry: (entry: ReadEntry) => {
        const chunks: Uint8Array[] = []
        entry.on('data', chunk => chunks.push(chunk))
        entry.on('end', () => entries.push({ path: entry.path, type: entry.type, bytes: concat(chunks) }))
      },
    })
    parser.on('error', (error: unknown) => resolve(error instanceof Error ? error.message : String(error)))
    parser.on('end', () => resolve(entries))
    parser.end(Buffer.from(bytes))
  })
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}

const startsWith = (bytes: Uint8Array, head: Uint8Array): boolean =>
  head.every((byte, i) => bytes[i] === byte)
const equal = (a: Uint8Array, b: Uint8Array): boolean => a.length === b.length && startsWith(a, b)

import { createHash } from 'node:crypto'
import { gzipSync } from 'node:zlib'
import { Header, type HeaderData } from 'tar'
import { expect, test } from 'vitest'
import { packRelease, type Release, readRelease } from '#kernels/package.ts'
import { RELEASE_FILES_MAX } from '#protocol/limits.ts'

const text = (value: string): Uint8Array => new TextEncoder().encode(value)
const sha = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

const RELEASE: Release = {
  manifest: text('{ "name": "toy" }'),
  module: Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0),
  source: new Map([
    ['lib/math.ts', text('export function exp(): void {}')],
    ['index.ts', text('// é')],
    ['empty', new Uint8Array()],
  ]),
}

test('a release reads back as it was packed', async () => {
  const reading = await readRelease(await packRelease(RELEASE))
  if (!reading.ok) throw new Error(reading.detail)
  const { manifest, module, source } = reading.release
  expect([manifest, module]).toEqual([RELEASE.manifest, RELEASE.module])
  expect([...source].sort()).toEqual([...RELEASE.source].sort())
})

test('the same content gives the same bytes, in whichever order the sources come', async () => {
  const reversed = { ...RELEASE, source: new Map([...RELEASE.source].reverse()) }
  expect(sha(await packRelease(reversed))).toBe(sha(await packRelease(RELEASE)))
  // The name of this release, for ever: a change of this hash renames every release.
  expect(sha(await packRelease(RELEASE))).toMatchInlineSnapshot(
    `"aafdc1a6985f697dcf15fb425190c7eb2b320c7a52d44373bca6b0c6f4f0de2b"`,
  )
})

type Entry = HeaderData & { readonly bytes?: Uint8Array }
const file = (path: string, bytes = text('x'), more: HeaderData = {}): Entry => ({ path, bytes, ...more })

/** A tar as anyone may write it. */
function tar(...entries: Entry[]): Uint8Array {
  const blocks = entries.flatMap(({ bytes = new Uint8Array(), ...data }) => {
    const block = Buffer.alloc(512)
    new Header({
      size: bytes.length,
      mode: 0o644,
      uid: 0,
      gid: 0,
      mtime: new Date(0),
      type: 'File',
      ...data,
    }).encode(block)
    return [block, bytes, new Uint8Array((512 - (bytes.length % 512)) % 512)]
  })
  return Buffer.concat([...blocks, new Uint8Array(1024)])
}

const HEAD = [file('manifest.json'), file('module.wasm')]
const patched = (bytes: Uint8Array, at: number, byte: number): Uint8Array => {
  const copy = new Uint8Array(bytes)
  copy[at] = byte
  return copy
}

test.each([
  ['no bytes', new Uint8Array(), 'release_malformed'],
  ['a gzipped release', gzipSync(tar(...HEAD)), 'release_malformed'],
  ['a broken checksum', patched(tar(...HEAD), 150, 0x37), 'release_malformed'],
  ['a release cut in its second header', tar(...HEAD).subarray(0, 1200), 'release_incomplete'],
  [
    'a symbolic link',
    tar(...HEAD, { path: 'source/a', type: 'SymbolicLink', linkpath: '/etc/passwd' }),
    'release_entry_type',
  ],
  [
    'a hard link',
    tar(...HEAD, { path: 'source/a', type: 'Link', linkpath: 'module.wasm' }),
    'release_entry_type',
  ],
  ['a directory', tar(...HEAD, { path: 'source/a/', type: 'Directory' }), 'release_entry_type'],
  ['a device', tar(...HEAD, { path: 'source/a', type: 'CharacterDevice' }), 'release_entry_type'],
  ['an absolute path', tar(...HEAD, file('/etc/passwd')), 'release_path'],
  ['a path that climbs', tar(...HEAD, file('source/../../x')), 'release_path'],
  ['a path outside source', tar(...HEAD, file('other/x')), 'release_path'],
  ['a hidden file', tar(...HEAD, file('source/.git')), 'release_path'],
  ['a path with a backslash', tar(...HEAD, file('source/a\\b')), 'release_path'],
  ['a path twice', tar(...HEAD, file('source/a'), file('source/a')), 'release_duplicate'],
  ['a second module', tar(...HEAD, file('module.wasm')), 'release_path'],
  ['no module', tar(file('manifest.json'), file('source/a')), 'release_incomplete'],
  ['nothing but a manifest', tar(file('manifest.json')), 'release_incomplete'],
  ['sources out of order', tar(...HEAD, file('source/b'), file('source/a')), 'release_not_canonical'],
  ['a time', tar(...HEAD, file('source/a', text('x'), { mtime: new Date(1e12) })), 'release_not_canonical'],
  ['an owner', tar(...HEAD, file('source/a', text('x'), { uid: 1000 })), 'release_not_canonical'],
  ['another mode', tar(...HEAD, file('source/a', text('x'), { mode: 0o755 })), 'release_not_canonical'],
  ['bytes behind the end', Buffer.concat([tar(...HEAD), new Uint8Array(512)]), 'release_not_canonical'],
  ['bytes hidden in the padding', patched(tar(...HEAD), 512 + 100, 1), 'release_not_canonical'],
  [
    'too many files',
    tar(...HEAD, ...Array.from({ length: RELEASE_FILES_MAX }, (_, i) => file(`source/${i}`))),
    'release_too_many_files',
  ],
])('%s is refused by a code', async (_, bytes, code) => {
  expect(await readRelease(bytes)).toMatchObject({ ok: false, code, hint: expect.any(String) })
})

test('more than the allowed bytes are refused before they are looked at', async () => {
  const bytes = new Uint8Array(64 * 1024 * 1024 + 1)
  expect(await readRelease(bytes)).toMatchObject({ ok: false, code: 'release_too_large' })
})

test('every cut of a release is refused, never an exception', async () => {
  const bytes = await packRelease(RELEASE)
  for (let length = 0; length < bytes.length; length += 97)
    expect((await readRelease(bytes.subarray(0, length))).ok, `${length} bytes`).toBe(false)
})

test.each(['../a', '/a', 'a//b', 'a/../b', '', 'ä', 'x'.repeat(95)])(
  'packing the path "%s" throws',
  async path => {
    await expect(packRelease({ ...RELEASE, source: new Map([[path, text('x')]]) })).rejects.toThrow(
      'release_path',
    )
  },
)

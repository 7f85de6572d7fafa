import { lstat, mkdir, mkdtemp, readdir, readlink, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { linkLibraries } from '#server/postgres/binaries.ts'

let directory: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'xeenet-links-'))
})
afterEach(() => rm(directory, { recursive: true }))

const links = [
  { source: 'lib/libx.so.1.2', target: 'lib/libx.so.1' },
  { source: 'lib/libx.so.1.2', target: 'lib/libx.so' },
]

test('library links are made beside the libraries, once, also by many processes at a time', async () => {
  await mkdir(join(directory, 'lib'))
  await writeFile(join(directory, 'lib', 'libx.so.1.2'), 'elf')
  const linkDir = join(directory, 'unused')
  const made = await Promise.all([1, 2, 3, 4].map(() => linkLibraries({ root: directory, links, linkDir })))
  expect(made).toEqual([{}, {}, {}, {}])
  expect((await readdir(join(directory, 'lib'))).sort()).toEqual(['libx.so', 'libx.so.1', 'libx.so.1.2'])
  expect(await readlink(join(directory, 'lib', 'libx.so'))).toBe('libx.so.1.2')
  expect(await readdir(directory)).toEqual(['lib'])
})

test('a wrong link is mended and a right one is left alone', async () => {
  await mkdir(join(directory, 'lib'))
  await symlink('libx.so.1.2', join(directory, 'lib', 'libx.so.1'))
  await symlink('libx.so.0.9', join(directory, 'lib', 'libx.so'))
  const before = await lstat(join(directory, 'lib', 'libx.so.1'))
  await linkLibraries({ root: directory, links, linkDir: join(directory, 'unused') })
  expect((await lstat(join(directory, 'lib', 'libx.so.1'))).ino).toBe(before.ino)
  expect(await readlink(join(directory, 'lib', 'libx.so'))).toBe('libx.so.1.2')
})

// sysfs refuses new files even to root, like a read-only node_modules.
test.runIf(process.platform === 'linux')(
  'where the package cannot be written the links go to a folder of ours',
  async () => {
    const linkDir = join(directory, 'links')
    const sysfs = [{ source: 'kernel/libx.so.1.2', target: 'kernel/libx.so' }]
    const found = await linkLibraries({ root: '/sys', links: sysfs, linkDir })
    expect(found).toEqual({ LD_LIBRARY_PATH: `${linkDir}:/sys/kernel` })
    expect(await readlink(join(linkDir, 'libx.so'))).toBe('/sys/kernel/libx.so.1.2')
  },
)

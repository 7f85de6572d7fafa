import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { admit } from '#kernels/admit.ts'
import { readRelease } from '#kernels/package.ts'
import { buildKernel, kernelFolders, readPublished } from '#ops/kernels/build.ts'
import { compileAssembly } from '#ops/kernels/compile.ts'
import { sha256 } from '#protocol/canonical.ts'
import { KernelManifest } from '#protocol/kernel.ts'

const CHANGED =
  'the module is not the one in release.json: new bytes mean new fuel, new results, and so a new kernel version'

test('there are kernels to build, and the probe is none', () => {
  expect(kernelFolders()).toContain('charlm')
  expect(kernelFolders()).not.toContain('probe')
})

test.each(kernelFolders())('%s is the published module, byte for byte', async folder => {
  const { kernel } = await buildKernel(folder)
  const published = await readPublished(folder)
  expect(published?.moduleSha256, CHANGED).toBe(kernel.moduleSha256)
  expect(published).toMatchObject({ name: kernel.name, version: kernel.version, serial: kernel.serial })
})

test.each(kernelFolders())(
  'the release of %s holds all that it takes to make its module again',
  async folder => {
    const { kernel } = await buildKernel(folder)
    const file = join(import.meta.dirname, '../../build/kernels', `${kernel.name}@${kernel.version}.tar`)
    const tar = await readFile(file)
    expect(await sha256(tar)).toBe(kernel.releaseSha256)
    const reading = await readRelease(tar)
    if (!reading.ok) throw new Error(reading.detail)
    const { manifest, module, source } = reading.release
    expect(await sha256(module)).toBe(kernel.moduleSha256)
    const { memoryPagesMax } = KernelManifest.parse(JSON.parse(new TextDecoder().decode(manifest)))
    const root = await mkdtemp(join(tmpdir(), 'xeenet-release-'))
    try {
      for (const [path, bytes] of source) {
        await mkdir(dirname(join(root, path)), { recursive: true })
        await writeFile(join(root, path), bytes)
      }
      const again = admit(await compileAssembly(`assembly/${folder}/index.ts`, memoryPagesMax, { root }), {
        memoryPagesMax,
      })
      expect(again.ok && (await sha256(again.module))).toBe(kernel.moduleSha256)
    } finally {
      await rm(root, { recursive: true, force: true })
    }
  },
)

test.each(kernelFolders())('a second build of %s leaves the first alone', async folder => {
  const first = await buildKernel(folder)
  const second = await buildKernel(folder)
  expect(second).toEqual({ kernel: first.kernel, fresh: false })
})

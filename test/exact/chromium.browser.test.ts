// The client's sandbox driver in a web worker: a browser gets the digest that every other engine gets.

import { existsSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { CHROMIUM } from '#ops/exact/chromium.ts'
import { HOWS } from '#ops/exact/digest.ts'
import { CHROMIUM_MODES, withChromium } from '#ops/exact/engines.ts'
import { builtKernel, kernelFolders } from '#ops/kernels/build.ts'

const releases = await Promise.all(kernelFolders().map(builtKernel))
// Never in CI: there a missing browser is a failure.
const missing = !existsSync(CHROMIUM) && !process.env.CI

describe.skipIf(missing)('in Chromium', () => {
  test.each(CHROMIUM_MODES)('%s: each kernel, straight and interrupted', async mode => {
    let engines = 0
    await withChromium([mode], async engine => {
      engines += 1
      for (const { name, file } of releases)
        for (const how of HOWS) {
          const { digest, published } = await engine.digest(file, how)
          expect(digest, `${name}, ${how}`).toBe(published)
        }
    })
    expect(engines).toBe(1)
    expect(releases.length).toBeGreaterThan(0)
  })
})

// A file of its own: what Node has once found of a package it does not look for again.

import { mkdtemp, rm } from 'node:fs/promises'
import { registerHooks } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { findEngines } from '#client/node/native/offers.ts'
import { nativeLines } from '#client/node/native/words.ts'

test('without the package, which is optional, there is WASM, and a line says so', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'xeenet-without-'))
  const hooks = registerHooks({
    resolve: (specifier, context, next) => {
      if (/^onnxruntime-node/.test(specifier)) throw new Error(`Cannot find package '${specifier}'`)
      return next(specifier, context)
    },
  })
  try {
    const engines = await findEngines(directory, { classes: 'auto', gpu: 'auto' }, 'linux')
    expect(engines).toMatchObject({ wasm: true, offers: [] })
    const [line, ...more] = nativeLines(engines)
    expect(line?.words).toBe(
      'no onnx: onnxruntime-node is not installed (npm install onnxruntime-node@1.30.0): WASM only',
    )
    expect(more).toEqual([])
  } finally {
    hooks.deregister()
    await rm(directory, { recursive: true, force: true })
  }
})

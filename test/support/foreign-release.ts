// A kernel of somebody else's as a release: fit to be proposed, but for what a test changes.

import { UNMETERED } from '#kernels/examine.ts'
import { packRelease } from '#kernels/package.ts'
import { admitted, kernelModule } from './kernel-modules.ts'

const MANIFEST = {
  ...{
    name: 'mine',
    version: 0,
    serial: 1,
    engine: 'wasm',
    abi: 'xee-1',
    fuelTable: 'fuel-1',
    title: 'test',
  },
  source: { language: 'c', entry: 'kernel.c', compiler: 'clang 14' },
  recipe: { type: 'object', additionalProperties: false, properties: {} },
  slots: [],
  memoryPagesMax: 16,
  metric: { name: 'val_bpb', goal: 'minimize' },
  bounds: { fuelMax: 1e9, updatesMax: 10 },
  selfTest: { runs: [{ recipe: {}, limit: { updates: 1 } }], seed: 1, data: [], digest: 'd'.repeat(64) },
}
const text = (value: string) => new TextEncoder().encode(value)

interface Parts {
  readonly raw?: Uint8Array
  readonly module?: Uint8Array
  readonly source?: Readonly<Record<string, Uint8Array>>
}

/** A release of a foreign kernel, whose every part may be replaced. */
export function release(changes: object = {}, { raw = kernelModule(), module, source }: Parts = {}) {
  return packRelease({
    manifest: text(JSON.stringify({ ...MANIFEST, ...changes })),
    module: module ?? admitted(raw),
    source: new Map(Object.entries(source ?? { 'kernel.c': text('//'), [UNMETERED]: raw })),
  })
}

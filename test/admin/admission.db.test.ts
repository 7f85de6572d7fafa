import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { packRelease } from '#kernels/package.ts'
import { generateKey, type SigningKey, verifyRelease } from '#kernels/sign.ts'
import { admitDirectory, admitRelease, examineRelease } from '#server/admission.ts'
import { type Blobs, openBlobs } from '#store/blobs.ts'
import { findFile } from '#store/files.ts'
import { findKernel, listKernels, signedRelease } from '#store/kernels.ts'
import { T0 } from '#support/builders.ts'
import { freshDatabase, type TestDatabase } from '#support/database.ts'
import { admitted, kernelModule } from '#support/kernel-modules.ts'

const MANIFEST = {
  ...{
    name: 'mini',
    version: 0,
    serial: 1,
    engine: 'wasm',
    abi: 'xee-1',
    fuelTable: 'fuel-1',
    title: 'test',
  },
  recipe: { type: 'object', additionalProperties: false, properties: {} },
  slots: [{ name: 'train', split: 'train' }],
  memoryPagesMax: 4096,
  metric: { name: 'val_bpb', goal: 'minimize' },
  bounds: { fuelMax: 1e9, updatesMax: 10 },
  selfTest: { runs: [{ recipe: {}, limit: { updates: 1 } }], seed: 1, data: [], digest: 'd'.repeat(64) },
}

// JSON.stringify overflows the stack on such an object in some states of the engine, so it comes in as text.
const deep = 'as deep as a manifest may be long'
const DEEP = `${'{"sum":['.repeat(5_000)}1${']}'.repeat(5_000)}`
const text = (value: unknown) =>
  new TextEncoder().encode(JSON.stringify(value).replace(JSON.stringify(deep), DEEP))
const release = (changes: object = {}, { module = admitted(kernelModule()), source = 'v1' } = {}) =>
  packRelease({
    manifest: text({ ...MANIFEST, ...changes }),
    module,
    source: new Map([['a.ts', text(source)]]),
  })

let database: TestDatabase
let directory: string
let blobs: Blobs
let operator: SigningKey

beforeAll(async () => {
  database = await freshDatabase()
  operator = await generateKey()
})
beforeEach(async () => {
  await database.knex.raw('delete from kernels')
  await database.knex.raw('delete from files')
  directory = await mkdtemp(join(tmpdir(), 'xeenet-kernels-'))
  blobs = await openBlobs(join(directory, 'files'))
})
afterAll(() => database.drop())

const admitting = (key = operator) => ({ knex: database.knex, blobs, operator: key, now: () => T0 })
const codeOf = async (work: Promise<unknown>) => {
  try {
    await work
    return 'accepted'
  } catch (error) {
    return (error as { code?: string }).code
  }
}

const width = { type: 'integer', minimum: 8, maximum: 64, default: 8 } as const
const withWidth = (schema: object) => ({
  recipe: { ...MANIFEST.recipe, properties: { width: { ...width, ...schema } } },
})

test.each<[string, object, string]>([
  ['defaults outside their range', withWidth({ default: 4 }), 'width: 4 is outside 8…64'],
  [
    'defaults that break a rule',
    { ...withWidth({}), rules: [{ require: { equal: ['width', 9] }, of: ['width'], because: 'so' }] },
    'width 8: so',
  ],
  [
    'a rule on what it does not have',
    { ...withWidth({}), rules: [{ divides: ['heads', 'width'] }] },
    'heads',
  ],
  [
    'a bound that uses what it defines later',
    {
      ...withWidth({}),
      memory: {
        define: [
          ['a', 'b'],
          ['b', 'width'],
        ],
        bytes: 'a',
      },
    },
    'b: no parameter, and not defined before it is used',
  ],
  ['a bound by a name that is nobody’s', { ...withWidth({}), memory: { bytes: 'widht' } }, 'widht'],
  ['a formula that is too deep', { memory: { bytes: deep } }, 'at most 12 operations deep'],
  ['a bound beyond all numbers', { memory: { bytes: { product: [1e308, 1e308, 1] } } }, 'memory: may need'],
])('a manifest with %s is refused', async (_, changes, reason) => {
  const examined = examineRelease(await release(changes))
  await expect(examined).rejects.toMatchObject({ code: 'manifest_invalid' })
  await expect(examined).rejects.toThrow(reason)
})

test('a release is signed by the operator, stored with its bytes, and offered', async () => {
  const bytes = await release()
  const fit = await examineRelease(bytes)
  expect(await admitRelease(admitting(), fit)).toBe('admitted')
  const stored = await findKernel(database.knex, 'mini@0')
  expect(stored).toMatchObject({ releaseSha256: fit.releaseSha256, moduleSha256: fit.moduleSha256 })
  expect(await verifyRelease(operator.publicKey, signedRelease(stored!))).toBe(true)
  expect(await findFile(database.knex, fit.releaseSha256)).toMatchObject({
    bytes: bytes.length,
    kind: 'kernel',
  })
  expect(await blobs.has(fit.releaseSha256)).toBe(true)
})

test('again it is known; under a new operator’s key it is signed again', async () => {
  const fit = await examineRelease(await release())
  await admitRelease(admitting(), fit)
  expect(await admitRelease(admitting(), fit)).toBe('known')
  const successor = await generateKey()
  expect(await admitRelease(admitting(successor), fit)).toBe('known')
  const stored = await findKernel(database.knex, 'mini@0')
  expect(await verifyRelease(successor.publicKey, signedRelease(stored!))).toBe(true)
})

describe('what would rename something that is stored is refused, and the old one stays', () => {
  const other = admitted(kernelModule({ globals: [] }))
  test.each([
    ['the same version with other sources', {}, { source: 'v2' }, 'version_taken'],
    ['the same module under another version', { version: 1, serial: 2 }, {}, 'module_taken'],
  ])('%s', async (_what, manifest, parts, code) => {
    const first = await examineRelease(await release())
    await admitRelease(admitting(), first)
    const second = await examineRelease(await release(manifest, parts))
    expect(await codeOf(admitRelease(admitting(), second))).toBe(code)
    const kernels = await listKernels(database.knex)
    expect(kernels.map(kernel => kernel.releaseSha256)).toEqual([first.releaseSha256])
  })

  test('another module under a serial that was used', async () => {
    await admitRelease(admitting(), await examineRelease(await release()))
    const module = new Uint8Array([...other, 0, 2, 1, 0x78]) // a custom section: the same code, another hash
    const second = await examineRelease(await release({ version: 1 }, { module }))
    expect(await codeOf(admitRelease(admitting(), second))).toBe('serial_taken')
  })
})

describe('what is no release is refused', () => {
  test('by the code of what is wrong', async () => {
    const codes = []
    for (const bytes of [
      text('not a tar'),
      await release({ colour: 'blue' }),
      await release({ memoryPagesMax: 0 }),
      await release({ selfTest: undefined }),
      await release({}, { module: kernelModule() }),
      await release({}, { module: text('not wasm') }),
    ])
      codes.push(await codeOf(examineRelease(bytes)))
    expect(codes).toEqual([
      'release_malformed',
      'manifest_invalid',
      'manifest_invalid',
      'self_test_missing',
      'module_not_metered',
      'module_invalid',
    ])
  })
})

test('a directory is admitted release by release; a bad one is logged and stops nothing', async () => {
  const kernels = join(directory, 'kernels')
  await mkdir(kernels)
  await writeFile(join(kernels, 'a-bad.tar'), 'nothing')
  await writeFile(join(kernels, 'b-good.tar'), await release())
  await writeFile(join(kernels, 'c-good.json'), '{}')
  const lines: string[] = []
  const log = pino({ level: 'error' }, { write: (line: string) => void lines.push(line) })
  await admitDirectory(admitting(), kernels, log)
  await admitDirectory(admitting(), join(directory, 'nowhere'), log)
  expect((await listKernels(database.knex)).map(kernel => kernel.name)).toEqual(['mini'])
  expect(lines).toHaveLength(1)
  expect(JSON.parse(lines[0]!)).toMatchObject({ file: 'a-bad.tar', code: 'release_malformed' })
  await rm(directory, { recursive: true })
})

import fc from 'fast-check'
import { expect, test } from 'vitest'
import { admit } from '#kernels/admit.ts'
import { HINTS } from '#kernels/admit-refusals.ts'
import { kernelModule } from '#support/kernel-modules.ts'
import { meterModule } from '#support/metered.ts'
import {
  block,
  brTable,
  call,
  callIndirect,
  fill,
  funcType,
  get,
  grow,
  i32,
  i64,
  loop,
  name,
  OPS,
  TYPE,
  VOID,
  v128,
} from '#support/wasm-builder.ts'
import { randomModule } from '#support/wasm-random.ts'

const SEEDS = [
  kernelModule(),
  kernelModule({
    types: [funcType(['i32'], ['i32', 'i64'])],
    table: 3,
    elements: [0, 2, 10],
    globals: [
      { type: [TYPE.i32], mutable: true, init: i32(-5) },
      { type: [TYPE.v128], init: v128(1, 2, 3) },
    ],
    data: [{ at: 100, bytes: [1, 2, 3, 4, 5] }],
    functions: [{ params: ['i32'], results: ['i32', 'i64'], body: [get(0), i64(1n << 40n)] }],
    init: [i32(1), grow],
    step: [
      block(VOID, i32(1), brTable([0, 0, 0], 0)),
      loop(VOID, i32(0), i32(1), i32(100), fill, i32(5), call(10), OPS.drop, OPS.drop),
      i32(1),
      i32(2),
      callIndirect(0),
      OPS.drop,
    ],
    raw: { 0: [name('name'), 1, 2, 3] },
  }),
  randomModule(Array.from({ length: 160 }, (_, i) => (i * 37) % 256)),
]

const edit = fc.record({
  at: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
  kind: fc.constantFrom('set', 'insert', 'delete', 'cut', 'repeat'),
  byte: fc.oneof(fc.nat(255), fc.constantFrom(0, 1, 0x0b, 0x7f, 0x80, 0xfb, 0xfc, 0xfd, 0xfe, 0xff)),
  length: fc.integer({ min: 1, max: 12 }),
})
type Edit = typeof edit extends fc.Arbitrary<infer T> ? T : never

function mutate(bytes: readonly number[], { at, kind, byte, length }: Edit): number[] {
  // Behind the preamble: whatever changes there is refused at once.
  const place = 8 + Math.floor(at * Math.max(0, bytes.length - 8))
  const [head, tail] = [bytes.slice(0, place), bytes.slice(place)]
  if (kind === 'set') return [...head, byte, ...tail.slice(1)]
  if (kind === 'insert') return [...head, byte, ...tail]
  if (kind === 'delete') return [...head, ...tail.slice(length)]
  if (kind === 'repeat') return [...head, ...tail.slice(0, length), ...tail]
  return head
}

test('20,000 damaged modules are admitted, and then valid, or refused by a known code; none raises an exception', () => {
  const tally = new Map<string, number>()
  const count = (what: string): void => void tally.set(what, (tally.get(what) ?? 0) + 1)
  fc.assert(
    fc.property(fc.constantFrom(...SEEDS), fc.array(edit, { minLength: 1, maxLength: 3 }), (seed, edits) => {
      const answer = admit(Uint8Array.from(edits.reduce(mutate, [...seed])))
      if (answer.ok) expect(WebAssembly.validate(new Uint8Array(answer.module))).toBe(true)
      else expect(answer.refusals.length).toBeGreaterThan(0)
      for (const { code } of answer.ok ? [] : answer.refusals) expect(HINTS).toHaveProperty(code)
      count(answer.ok ? 'admitted' : answer.refusals[0]!.code)
    }),
    { numRuns: 20_000 },
  )
  // It must reach deeper than the first check.
  expect(tally.get('admitted')).toBeGreaterThan(100)
  expect(tally.size).toBeGreaterThan(10)
})

test('random bytes behind the preamble are refused', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 200 }), bytes => {
      expect(admit(Uint8Array.from([0, 97, 115, 109, 1, 0, 0, 0, ...bytes])).ok).toBe(false)
    }),
    { numRuns: 5_000 },
  )
})

test.each(SEEDS.map((seed, i) => [i, seed] as const))(
  'a cut of module %d is admitted only where the engine takes it: between sections',
  (_, seed) => {
    const admitted = Array.from(seed.keys(), length => seed.slice(0, length)).filter(cut => admit(cut).ok)
    expect(admitted.every(cut => WebAssembly.validate(new Uint8Array(cut)))).toBe(true)
    expect(admitted.length).toBeLessThan(2)
  },
)

test.each([
  ['a count of four thousand million functions', [3, 5, 0xff, 0xff, 0xff, 0xff, 0x0f]],
  ['a section longer than the module', [1, 0xff, 0xff, 0xff, 0x7f, 0]],
  ['a number of eleven bytes', [6, 17, 1, 0x7e, 0, 0x42, ...new Array(9).fill(0x80), 0x80, 0x80, 0x00, 0x0b]],
  ['a number of 35 bits', [1, 6, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00]],
  ['a name that is not UTF-8', [7, 5, 1, 1, 0xff, 0, 0]],
  ['two code sections', [10, 1, 0, 10, 1, 0]],
])('%s is refused at once', (_, bytes) => {
  const answer = admit(Uint8Array.from([0, 97, 115, 109, 1, 0, 0, 0, ...bytes]))
  expect(answer).toMatchObject({ ok: false, refusals: [{ code: 'invalid_module' }] })
})

test('padding of numbers, custom sections and the split of locals do not change the bytes that come out', () => {
  const body = (constant: readonly number[], locals: readonly ('i32' | 'i64')[]) =>
    kernelModule({ step: [constant, 0x21, 1, i32(1)], stepLocals: locals })
  const plain = meterModule(body([0x41, 5], ['i32', 'i32']))
  const padded = meterModule(body([0x41, 0x85, 0x80, 0x80, 0x80, 0x00], ['i32', 'i32']))
  const negative = meterModule(body([0x41, 0x7b], ['i32', 'i32']))
  const paddedNegative = meterModule(body([0x41, 0xfb, 0xff, 0xff, 0xff, 0x7f], ['i32', 'i32']))
  const named = meterModule(
    kernelModule({
      step: [0x41, 5, 0x21, 1, i32(1)],
      stepLocals: ['i32', 'i32'],
      raw: { 0: [name('name'), 9] },
    }),
  )
  expect(padded).toEqual(plain)
  expect(paddedNegative).toEqual(negative)
  expect(named).toEqual(plain)
})

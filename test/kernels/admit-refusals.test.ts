import { expect, test } from 'vitest'
import { admit } from '#kernels/admit.ts'
import { HINTS } from '#kernels/admit-refusals.ts'
import { kernelModule, OWN_FUNCTIONS } from '#support/kernel-modules.ts'
import { REFUSED_MODULES } from '#support/refused-modules.ts'
import {
  block,
  brTable,
  type Code,
  call,
  callIndirect,
  funcType,
  i32,
  loop,
  name,
  OPS,
  TYPE,
  u32,
  VOID,
  v128,
  when,
} from '#support/wasm-builder.ts'

const step = (...code: Code): Uint8Array => kernelModule({ step: code })
const memory = (...limits: Code): Uint8Array => kernelModule({ memory: limits })

test.each(REFUSED_MODULES)('%s: %s', (code, _, bytes) => {
  const answer = admit(bytes)
  const codes = answer.ok ? [] : answer.refusals.map(refusal => refusal.code)
  expect(codes).toEqual([code])
})

test('every refusal has a module that triggers it', () => {
  expect(new Set(REFUSED_MODULES.map(([code]) => code))).toEqual(new Set(Object.keys(HINTS)))
})

test('an author hears of all faults at once, each with a hint', () => {
  const answer = admit(
    kernelModule({
      memory: [0, 1],
      omit: ['xee_init'],
      step: [0xfe, 3, 0, i32(0)],
      functions: [{ body: [v128(), v128(), 0xfd, u32(0x100), OPS.drop] }],
    }),
  )
  const refusals = answer.ok ? [] : answer.refusals
  expect(refusals.map(({ code }) => code)).toEqual([
    'threads',
    'relaxed_simd',
    'memory_without_maximum',
    'export_missing',
  ])
  for (const { detail, hint } of refusals) expect([detail.length > 0, hint.length > 0]).toEqual([true, true])
})

test.each([
  ['every kind of block', step(block(VOID, loop(VOID, i32(0), when(VOID, OPS.nop, OPS.nop))), i32(0))],
  ['br_table', step(block(VOID, i32(0), brTable([0, 0], 0)), i32(0))],
  ['a maximum of exactly 256 MiB', memory(1, 1, u32(4096))],
  ['an immutable vector', kernelModule({ globals: [{ type: [TYPE.v128], init: v128() }] })],
  ['an exported table', kernelModule({ table: 1, exports: [{ name: 'table', kind: 1, index: 0 }] })],
  ['_initialize', kernelModule({ functions: [{ export: '_initialize', body: [] }] })],
  ['custom sections', kernelModule({ raw: { 0: [name('producers'), 1, 2, 3] } })],
  [
    'call_indirect of a type without entries',
    kernelModule({
      table: 1,
      types: [funcType(['f64'], [])],
      functions: [{ body: [0x44, 0, 0, 0, 0, 0, 0, 0, 0, i32(0), callIndirect(0)] }],
    }),
  ],
  [
    'frames of just below 128 KiB',
    kernelModule({
      functions: [0, 1].map(i => ({
        locals: new Array(4000).fill('v128'),
        body: i < 1 ? call(OWN_FUNCTIONS + 1) : [],
      })),
    }),
  ],
])('%s is admitted', (_, bytes) => {
  expect(admit(bytes)).toMatchObject({ ok: true })
})

test('the manifest may raise the memory to 1 GiB and no further', () => {
  const limits = { memoryPagesMax: 65_536 }
  expect(admit(memory(1, 1, u32(16_384)), limits).ok).toBe(true)
  expect(admit(memory(1, 1, u32(16_385)), limits)).toMatchObject({
    refusals: [{ code: 'memory_maximum_too_large' }],
  })
})

// Modules that admission refuses, one fault each.

import type { RefusalCode } from '#kernels/admit-refusals.ts'
import { FUNCTIONS_MAX, GLOBALS_MAX, LOCALS_MAX, MODULE_BYTES_MAX, NESTING_MAX } from '#protocol/limits.ts'
import { deepRecursion, longChain } from '#support/hostile.ts'
import { kernelModule, OWN_FUNCTIONS } from '#support/kernel-modules.ts'
import {
  br,
  type Code,
  call,
  callIndirect,
  funcType,
  get,
  globalGet,
  grow,
  i32,
  name,
  OPS,
  sized,
  TYPE,
  u32,
  VOID,
  v128,
  vec,
} from '#support/wasm-builder.ts'

const FUNCREF = 0x70
const EXTERNREF = 0x6f
const step = (...code: Code): Uint8Array => kernelModule({ step: code, table: 2 })
const memory = (...limits: Code): Uint8Array => kernelModule({ memory: limits })
const global = (type: Code, init: Code, mutable = true): Uint8Array =>
  kernelModule({ globals: [{ type, mutable, init }] })
const types = (...more: Code[]): Uint8Array => kernelModule({ types: more })
const raw = (sections: Readonly<Record<number, Code>>): Uint8Array => kernelModule({ raw: sections })

const IMPORT_OF = (kind: Code): Code => vec([[name('env'), name('x'), kind]])
const DROPS = (n: number): Code => new Array(n).fill(OPS.drop)

/** A module for every refusal, by the code that it must get. */
export const REFUSED_MODULES: readonly (readonly [RefusalCode, string, Uint8Array])[] = [
  ['invalid_module', 'no bytes', new Uint8Array()],
  ['invalid_module', 'a text', new TextEncoder().encode('(module)')],
  ['invalid_module', 'a type error', step(OPS.i32Add)],
  ['invalid_module', 'a branch out of the function', step(br(5))],
  ['invalid_module', 'an index out of range', step(call(500))],
  ['module_too_large', 'a module of 8 MiB and one byte', new Uint8Array(MODULE_BYTES_MAX + 1)],
  ['module_too_large', 'too many types', types(...new Array(70_000).fill(funcType([], [])))],
  [
    'function_too_large',
    'a function of more than a megabyte',
    step(new Array(1_100_000).fill(OPS.nop), i32(0)),
  ],
  [
    'function_too_large',
    'a function that is too large when it is metered',
    step(new Array(200_000).fill([i32(0), grow, OPS.drop]), i32(0)),
  ],
  [
    'too_many_functions',
    'one function too many',
    kernelModule({ functions: new Array(FUNCTIONS_MAX).fill({ body: [] }) }),
  ],
  [
    'too_many_locals',
    'one local too many',
    kernelModule({ stepLocals: new Array(LOCALS_MAX + 1).fill('i32') }),
  ],
  [
    'too_many_globals',
    'one mutable global too many',
    kernelModule({
      globals: new Array(GLOBALS_MAX + 1).fill({ type: [TYPE.i32], mutable: true, init: i32(0) }),
    }),
  ],
  [
    'nesting_too_deep',
    'blocks in blocks',
    step(new Array(NESTING_MAX).fill([0x02, VOID]), new Array(NESTING_MAX).fill(0x0b), i32(0)),
  ],
  ['table_too_large', 'a table of 100,000 entries', kernelModule({ table: 100_000 })],

  ['imports', 'an imported function', raw({ 2: IMPORT_OF([0, 0]) })],
  ['imports', 'an imported memory', raw({ 2: IMPORT_OF([2, 1, 1, 4]), 5: [0] })],
  ['imports', 'an imported global', raw({ 2: IMPORT_OF([3, TYPE.i32, 0]) })],
  ['imports', 'an imported table', raw({ 2: IMPORT_OF([1, FUNCREF, 0, 1]) })],
  [
    'start_section',
    'a start function',
    kernelModule({ functions: [{ body: [] }], raw: { 8: [OWN_FUNCTIONS] } }),
  ],
  ['memory_missing', 'no memory', memory()],
  [
    'second_memory',
    'two memories',
    raw({
      5: vec([
        [1, 1, 4],
        [1, 1, 4],
      ]),
    }),
  ],
  ['second_memory', 'a load that names its memory', step(i32(0), 0x28, 0x42, 0, 0)],
  [
    'second_memory',
    'a copy within another memory',
    kernelModule({
      step: [i32(0), i32(0), i32(0), 0xfc, 10, 1, 1, i32(0)],
      raw: {
        5: vec([
          [1, 1, 4],
          [1, 1, 4],
        ]),
      },
    }),
  ],
  ['memory_without_maximum', 'a memory without maximum', memory(0, 1)],
  ['memory_maximum_too_large', 'a maximum of one page more than 256 MiB', memory(1, 1, u32(4097))],
  ['shared_memory', 'a shared memory', memory(3, 1, 4)],
  ['memory64', 'a memory of 64-bit addresses', memory(5, 1, 4)],
  ['custom_page_sizes', 'a memory that states its page size', memory(9, 1, 4, 0)],

  ['relaxed_simd', 'i8x16.relaxed_swizzle', step(v128(), v128(), 0xfd, u32(0x100), OPS.drop, i32(0))],
  ['relaxed_simd', 'f32x4.relaxed_madd in dead code', step(i32(0), OPS.return, 0xfd, u32(0x105))],
  ['half_precision', 'f16x8.splat', step(0x43, 0, 0, 0, 0, 0xfd, u32(0x120), OPS.drop, i32(0))],
  ['threads', 'atomic.fence', step(0xfe, 3, 0, i32(0))],
  ['threads', 'i32.atomic.rmw.add', step(i32(0), i32(0), 0xfe, 0x1e, 2, 0)],
  ['exceptions', 'a tag', raw({ 13: vec([[0, 0]]) })],
  ['exceptions', 'try', step(0x06, VOID, 0x19, 0x0b, i32(0))],
  ['exceptions', 'try_table', step(0x1f, VOID, 0, 0x0b, i32(0))],
  ['exceptions', 'throw', step(0x08, 0)],
  ['gc', 'a structure', types([0x5f, 0])],
  ['gc', 'an array', types([0x5e, TYPE.i32, 0])],
  ['gc', 'a recursive group', types([0x4e, 1, 0x60, 0, 0])],
  ['gc', 'ref.i31', step(i32(0), 0xfb, 0x1c, OPS.drop, i32(0))],
  ['gc', 'a parameter of type anyref', types([0x60, 1, 0x6e, 0])],
  ['tail_calls', 'return_call', step(0x12, 0)],
  ['tail_calls', 'return_call_indirect', step(i32(0), 0x13, 0, 0)],
  ['function_references', 'call_ref', step(OPS.unreachable, 0x14, 0)],
  ['function_references', 'a type (ref 0)', types(funcType([], []), [0x60, 1, 0x64, 0, 0])],
  [
    'function_references',
    'a table with an initial value',
    raw({ 4: vec([[0x40, 0, FUNCREF, 0, 1, 0xd0, FUNCREF, 0x0b]]) }),
  ],
  ['stack_switching', 'a continuation type', types(funcType([], []), [0x5d, 0])],
  ['stack_switching', 'suspend', step(0xe2, 0)],
  ['wide_arithmetic', 'i64.add128', step(get(0), get(0), get(0), get(0), 0xfc, 0x13, DROPS(2), i32(0))],
  ['reference_types', 'ref.null', step(0xd0, FUNCREF, OPS.drop, i32(0))],
  ['reference_types', 'a typed select', step(i32(0), i32(1), i32(1), 0x1c, 1, TYPE.i32)],
  ['reference_types', 'table.get', step(i32(0), 0x25, 0, OPS.drop, i32(0))],
  ['reference_types', 'a table of externref', raw({ 4: vec([[EXTERNREF, 0, 1]]) })],
  ['reference_types', 'a parameter of type externref', types([0x60, 1, EXTERNREF, 0])],
  [
    'reference_types',
    'elements as expressions',
    kernelModule({ table: 1, raw: { 9: vec([[4, i32(0), 0x0b, vec([[0xd0, FUNCREF, 0x0b]])]]) } }),
  ],
  [
    'multiple_tables',
    'two tables',
    raw({
      4: vec([
        [FUNCREF, 0, 1],
        [FUNCREF, 0, 1],
      ]),
    }),
  ],
  ['extended_const', 'an initial value that is computed', global([TYPE.i32], [i32(1), i32(2), OPS.i32Add])],
  [
    'extended_const',
    'an initial value from another global',
    kernelModule({
      globals: [
        { type: [TYPE.i32], init: i32(1) },
        { type: [TYPE.i32], init: globalGet(0) },
      ],
    }),
  ],
  ['unknown_feature', 'an opcode that no proposal took', step(0x16)],
  ['unknown_feature', 'a section that no proposal took', Uint8Array.of(...kernelModule(), 40, 0)],

  ['mutable_v128_global', 'a mutable vector', global([TYPE.v128], v128())],
  ['reference_global', 'a mutable function reference', global([FUNCREF], [0xd0, FUNCREF])],
  ['reference_global', 'an immutable external reference', global([EXTERNREF], [0xd0, EXTERNREF], false)],
  ['passive_segments', 'a passive data segment', raw({ 11: vec([[1, sized([1, 2])]]) })],
  [
    'passive_segments',
    'a passive element segment',
    kernelModule({ table: 1, raw: { 9: vec([[1, 0, vec([[0]])]]) } }),
  ],
  [
    'passive_segments',
    'a declarative element segment',
    kernelModule({ table: 1, raw: { 9: vec([[3, 0, vec([[0]])]]) } }),
  ],
  [
    'passive_segments',
    'memory.init of an active segment',
    kernelModule({
      step: [i32(0), i32(0), i32(0), 0xfc, 8, 0, 0, i32(0)],
      data: [{ at: 0, bytes: [1] }],
      raw: { 12: [1] },
    }),
  ],
  [
    'passive_segments',
    'data.drop',
    kernelModule({ step: [0xfc, 9, 0, i32(0)], data: [{ at: 0, bytes: [1] }], raw: { 12: [1] } }),
  ],
  ['passive_segments', 'elem.drop', kernelModule({ step: [0xfc, 13, 0, i32(0)], table: 1, elements: [0] })],
  ['table_writes', 'table.set', step(OPS.unreachable, 0x26, 0)],
  [
    'table_writes',
    'table.init',
    kernelModule({ step: [i32(0), i32(0), i32(0), 0xfc, 12, 0, 0, i32(0)], table: 1, elements: [0] }),
  ],
  ['table_writes', 'table.copy', step(i32(0), i32(0), i32(0), 0xfc, 14, 0, 0, i32(0))],
  [
    'segment_out_of_bounds',
    'data behind the initial memory',
    kernelModule({ data: [{ at: 65_535, bytes: [1, 2] }] }),
  ],
  ['segment_out_of_bounds', 'data at a negative offset', kernelModule({ data: [{ at: -1, bytes: [1] }] })],
  ['segment_out_of_bounds', 'more elements than entries', kernelModule({ table: 1, elements: [0, 1] })],

  ['recursion', 'a function that calls itself', deepRecursion()],
  [
    'recursion',
    'two functions that call each other',
    kernelModule({ functions: [{ body: call(OWN_FUNCTIONS + 1) }, { body: call(OWN_FUNCTIONS) }] }),
  ],
  [
    'recursion',
    'a function that calls itself through the table',
    kernelModule({
      table: 1,
      types: [funcType([], [])],
      elements: [OWN_FUNCTIONS],
      functions: [{ body: [i32(0), callIndirect(0)] }],
    }),
  ],
  ['stack_too_deep', 'a long chain of calls', longChain()],
  [
    'stack_too_deep',
    'few functions with large frames',
    kernelModule({
      functions: [0, 1, 2].map(i => ({
        locals: new Array(4000).fill('v128'),
        body: i < 2 ? call(OWN_FUNCTIONS + i + 1) : [],
      })),
    }),
  ],
  [
    'stack_too_deep',
    'a function with a high operand stack',
    kernelModule({ functions: [{ body: [new Array(9000).fill(i32(0)), DROPS(9000)] }] }),
  ],

  ['export_missing', 'no xee_step', kernelModule({ omit: ['xee_step'] })],
  ['export_missing', 'no xee_artifact_len', kernelModule({ omit: ['xee_artifact_len'] })],
  ['export_missing', 'no exported memory', raw({ 7: vec([]) })],
  [
    'export_mistyped',
    'xee_step without a parameter',
    kernelModule({ omit: ['xee_step'], functions: [{ export: 'xee_step', results: ['i32'], body: i32(0) }] }),
  ],
  [
    'export_mistyped',
    'xee_state as a global',
    kernelModule({
      omit: ['xee_state'],
      globals: [{ type: [TYPE.i32], init: i32(0) }],
      exports: [{ name: 'xee_state', kind: 3, index: 0 }],
    }),
  ],
  [
    'export_mistyped',
    '_initialize with a result',
    kernelModule({ functions: [{ export: '_initialize', results: ['i32'], body: i32(0) }] }),
  ],
  ...['xee_fuel', 'xee_phase', 'xee_oom', 'xee_g0', 'xee_g17'].map(
    taken =>
      ['reserved_export', taken, kernelModule({ exports: [{ name: taken, kind: 0, index: 0 }] })] as const,
  ),
]

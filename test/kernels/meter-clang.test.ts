// Modules by another compiler than the one of our own kernels: clang, at several levels of optimisation.

import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { admit } from '#kernels/admit.ts'
import { compareRuns } from '#support/metered.ts'
import { decodeModule } from '#support/wasm-decode.ts'

const [COMPILER, LINKER] = ['clang', 'wasm-ld'] as const
const hasClang =
  spawnSync(COMPILER, ['--version']).status === 0 && spawnSync(LINKER, ['--version']).status === 0
// Where everything must be checked, a missing compiler is a failure; elsewhere the skip shows in the report.
const maySkip = process.env.CI !== 'true'

const SOURCE = `
typedef unsigned char u8; typedef unsigned int u32; typedef unsigned long long u64;
#define EXPORT(name) __attribute__((export_name(#name)))

EXPORT(xee_abi) int xee_abi(void) { return 1; }
EXPORT(xee_alloc) int xee_alloc(int slot, int bytes) { return 1024; }
EXPORT(xee_init) int xee_init(void) { return 0; }
EXPORT(xee_step) int xee_step(u64 fuel) { return 1; }
EXPORT(xee_output) int xee_output(void) { return 0; }
EXPORT(xee_output_len) int xee_output_len(void) { return 0; }
EXPORT(xee_state) int xee_state(void) { return 0; }
EXPORT(xee_state_len) int xee_state_len(void) { return 0; }
EXPORT(xee_artifact) int xee_artifact(void) { return 0; }
EXPORT(xee_artifact_len) int xee_artifact_len(void) { return 0; }

static u32 seed = 12345;
static u32 next(void) { seed = seed * 1664525u + 1013904223u; return seed >> 8; }

// Nested loops, swaps, early exits.
EXPORT(sort) u32 sort(u32 n) {
  static u32 a[64];
  n = n % 64;
  for (u32 i = 0; i < n; i++) a[i] = next() % 1000;
  for (u32 i = 1; i < n; i++)
    for (u32 j = i; j > 0 && a[j - 1] > a[j]; j--) { u32 t = a[j]; a[j] = a[j - 1]; a[j - 1] = t; }
  u32 sum = 0;
  for (u32 i = 0; i < n; i++) { if (i && a[i] < a[i - 1]) return 0xffffffffu; sum = sum * 31 + a[i]; }
  return sum;
}

// A dense switch: br_table, with fall-through.
EXPORT(interpret) u32 interpret(u32 n) {
  u32 acc = n;
  for (u32 pc = 0; pc < 60; pc++) {
    switch ((next() + acc) % 9) {
      case 0: acc += 7; break;
      case 1: acc ^= pc;
      case 2: acc *= 3; break;
      case 3: if (acc & 1) continue; acc >>= 1; break;
      case 4: acc -= n; goto again;
      case 5: again: acc = (acc << 3) | (acc >> 29); break;
      case 6: if (pc > 50) return acc; break;
      case 7: acc /= (pc + 1); break;
      default: acc = ~acc;
    }
  }
  return acc;
}

// Function pointers: call_indirect. No cycle.
static u32 twice(u32 x) { return x * 2; }
static u32 square(u32 x) { return x * x; }
static u32 bits(u32 x) { return (u32)__builtin_popcount(x); }
static u32 (*const table[3])(u32) = { twice, square, bits };
EXPORT(indirect) u32 indirect(u32 n) {
  u32 acc = n;
  for (u32 i = 0; i < 20; i++) acc += table[(acc + i) % 3](acc);
  return acc;
}

// Copies and fills of variable length, through a stack frame.
EXPORT(blocks) u32 blocks(u32 n) {
  u8 a[300], b[300];
  __builtin_memset(a, (int)n, 300);
  for (u32 i = 0; i < 5; i++) {
    __builtin_memcpy(b, a, n % 300);
    __builtin_memmove(a + 3, a, (n * 7) % 290);
    __builtin_memset(b + i, (int)i, (n * i) % 200);
  }
  u32 sum = 0;
  for (u32 i = 0; i < n % 300; i++) sum = sum * 17 + a[i] + b[i];
  return sum;
}

// Floats that the vectoriser takes at -O3, and conversions that saturate.
EXPORT(floats) u32 floats(u32 n) {
  static float x[64], y[64];
  for (int i = 0; i < 64; i++) { x[i] = (float)(next() % 100) / 7.0f; y[i] = (float)i - (float)n; }
  for (int r = 0; r < 4; r++) for (int i = 0; i < 64; i++) y[i] = y[i] * 0.5f + x[i] * (float)r;
  double sum = 0;
  for (int i = 0; i < 64; i++) sum += (double)y[i];
  return (u32)(int)(sum * 1000.0) + (u32)(signed char)n;
}

EXPORT(wide) u32 wide(u32 n) {
  u64 h = 1469598103934665603ull;
  for (u32 i = 0; i < n % 50; i++) { h ^= i; h *= 1099511628211ull; h = (h << 13) | (h >> 51); if (h % 97 == 0) break; }
  return (u32)(h >> 32) ^ (u32)h;
}
`

const FUNCTIONS = ['sort', 'interpret', 'indirect', 'blocks', 'floats', 'wide']
const FEATURES = ['-msimd128', '-mbulk-memory', '-msign-ext', '-mnontrapping-fptoint', '-mmultivalue']

function compile(flags: readonly string[]): Uint8Array {
  const folder = mkdtempSync(join(tmpdir(), 'xeenet-clang-'))
  try {
    const out = join(folder, 'kernel.wasm')
    const link = [
      '-Wl,--no-entry',
      '-Wl,--max-memory=1048576',
      '-Wl,--initial-memory=131072',
      '-Wl,-z,stack-size=32768',
    ]
    const target = ['--target=wasm32', '-nostdlib', '-fno-builtin-memset', '-x', 'c', '-', '-o', out]
    execFileSync(COMPILER, [...target, ...FEATURES, ...link, ...flags], { input: SOURCE, stdio: 'pipe' })
    return readFileSync(out)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

describe.skipIf(!hasClang && maySkip)(
  'modules compiled by clang (install clang and lld to run these)',
  () => {
    test.each(['-O0', '-O1', '-O2', '-O3', '-Os'])(
      'with %s they are admitted, and their fuel equals the interpreter',
      level => {
        const bytes = compile([level])
        const answer = admit(bytes)
        expect(answer).toMatchObject({ ok: true })
        for (const name of FUNCTIONS)
          for (const argument of [0, 1, 7, 63, 1000]) {
            const args = [{ type: 'i32' as const, bits: BigInt(argument) }]
            const { oracle, differences } = compareRuns(bytes, { name, args, fuelMax: 1_000_000 })
            expect(differences, `${name}(${argument})`).toEqual([])
            expect(oracle.outcome).toBe('returned')
          }
      },
    )

    test('they use what they are meant to test: vectors, bulk memory, tables', () => {
      const used = new Set(['-O0', '-O3'].flatMap(level => [...opcodesOf(compile([level]))]))
      // br_table, call_indirect, memory.copy, an f32x4 operation, i32.trunc_sat, i32.extend8_s
      for (const op of [0x0e, 0x11, 0xfc * 256 + 10, 0xfd * 256 + 0xe4, 0xfc * 256 + 2, 0xc0])
        expect(used).toContain(op)
    })
  },
)

const opcodesOf = (bytes: Uint8Array): Set<number> =>
  new Set(decodeModule(bytes).functions.flatMap(({ code }) => code.map(({ op }) => op)))

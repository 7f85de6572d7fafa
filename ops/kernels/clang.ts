// Kernels in C, by the author's clang and wasm-ld.

import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { reasonOf } from '#protocol/proposals.ts'
import { Unfit } from './unfit.ts'

const run = promisify(execFile)
const STACK_BYTES = 65_536
const COMPILE_MS = 60_000
const INSTALL = 'Install clang and lld (Debian: apt install clang lld), or set CLANG to another clang.'

/**
 * Of the flags: `-ffp-contract=off` keeps a multiplication and an addition two roundings; no bulk of a libc, so nothing is
 * imported; the features are those that admission takes.
 */
const FLAGS = [
  ...[
    '--target=wasm32',
    '-std=c11',
    '-O2',
    '-msimd128',
    '-mbulk-memory',
    '-msign-ext',
    '-mnontrapping-fptoint',
  ],
  ...['-ffreestanding', '-nostdlib', '-ffp-contract=off', '-Wall', '-Wl,--no-entry', '-Wl,--stack-first'],
  `-Wl,-z,stack-size=${STACK_BYTES}`,
]
const PAGE_BYTES = 65_536

const compiler = (): string => process.env.CLANG || 'clang'

/** The command that compiles `entry` into `output`, as one would type it. */
export const clangArguments = (entry: string, output: string, memoryPagesMax: number): readonly string[] => [
  ...FLAGS,
  `-Wl,--max-memory=${memoryPagesMax * PAGE_BYTES}`,
  ...['-o', output, entry],
]

/**
 * Compiles a C entry file.
 * @throws Unfit without a compiler (compiler_missing), or with the compiler's own messages (does_not_compile)
 */
export async function compileC(
  directory: string,
  entry: string,
  memoryPagesMax: number,
): Promise<Uint8Array> {
  const temporary = await mkdtemp(join(tmpdir(), 'xeenet-clang-'))
  const output = join(temporary, 'module.wasm')
  try {
    await run(compiler(), clangArguments(entry, output, memoryPagesMax), {
      cwd: directory,
      timeout: COMPILE_MS,
    })
    return await readFile(output)
  } catch (error) {
    throw whyNot(error, entry)
  } finally {
    await rm(temporary, { recursive: true, force: true })
  }
}

/** For example `clang 14.0.6`. @throws Unfit compiler_missing */
export async function clangVersion(): Promise<string> {
  try {
    const { stdout } = await run(compiler(), ['--version'])
    return `clang ${/version ([\w.]+)/.exec(stdout)?.[1] ?? 'of unknown version'}`
  } catch (error) {
    throw whyNot(error, '')
  }
}

function whyNot(error: unknown, entry: string): unknown {
  if (!(error instanceof Error)) return error
  if ('code' in error && error.code === 'ENOENT')
    return new Unfit([reasonOf('compiler_missing', `there is no ${compiler()} here`, INSTALL)])
  const words = 'stderr' in error && typeof error.stderr === 'string' ? error.stderr : error.message
  const hint = /unable to execute|wasm-ld|posix_spawn/.test(words)
    ? INSTALL
    : 'Correct what the compiler names.'
  return new Unfit([reasonOf('does_not_compile', `${entry}: ${words}`, hint)])
}

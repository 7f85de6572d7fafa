import { join } from 'node:path'
import { main } from 'assemblyscript/asc'
import { fromUtf8 } from '#protocol/canonical.ts'

const ROOT = join(import.meta.dirname, '..', '..')
/** What every kernel is compiled with, beside its memory: no imports, no runtime, static initialisation as an export. */
const FLAGS = ['--runtime', 'stub', '--enable', 'simd', '--use', 'abort=', '--exportStart', '_initialize']

/** Where a source lies and how hard the compiler works. */
export interface CompileOptions {
  /** Another tree to compile, laid out as this repository. */
  readonly root?: string
  /** Kernels are published at 3; at any level they give the same weights for the same number of updates. */
  readonly optimize?: 0 | 1 | 2 | 3
}

/**
 * Compiles an AssemblyScript entry file, named from the repository's root with forward slashes. The compiler is pinned, so the
 * same sources give the same bytes.
 * @param memoryPagesMax declared maximum of the memory, in pages of 64 KiB
 * @throws Error with the compiler's own messages
 */
export function compileAssembly(
  entry: string,
  memoryPagesMax: number,
  { root = ROOT, optimize = 3 }: CompileOptions = {},
): Promise<Uint8Array> {
  return compile([entry, '--baseDir', root, `-O${optimize}`], memoryPagesMax, {})
}

/**
 * Compiles AssemblyScript sources of a stranger: only what is in the map is read, and no configuration of theirs, which
 * could name code for the compiler to run.
 * @param sources by path; entries that are no .ts are not seen
 * @throws Error with the compiler's own messages
 */
export function compileSources(
  entry: string,
  sources: ReadonlyMap<string, Uint8Array>,
  memoryPagesMax: number,
): Promise<Uint8Array> {
  const readFile = (path: string): string | null => {
    const bytes = path.endsWith('.ts') ? sources.get(path.replaceAll('\\', '/')) : undefined
    return bytes === undefined ? null : fromUtf8(bytes)
  }
  return compile([entry, '--config', 'none', '-O3'], memoryPagesMax, { readFile, listFiles: () => [] })
}

async function compile(
  args: readonly string[],
  memoryPagesMax: number,
  from: { readFile?: (path: string) => string | null; listFiles?: () => string[] },
): Promise<Uint8Array> {
  const written: Uint8Array[] = []
  const { error, stderr } = await main(
    [...args, ...FLAGS, '--maximumMemory', String(memoryPagesMax), '--outFile', 'module.wasm'],
    {
      ...from,
      writeFile: (_name: string, contents: unknown) => {
        if (contents instanceof Uint8Array) written.push(contents)
      },
    },
  )
  const [module] = written
  if (error !== null || module === undefined)
    throw new Error(`${args[0]} does not compile\n${stderr.toString()}`)
  return module
}

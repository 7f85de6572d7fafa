import { join } from 'node:path'
import { main } from 'assemblyscript/asc'

const ROOT = join(import.meta.dirname, '..', '..')
const FLAGS = ['--runtime', 'stub', '--enable', 'simd', '--use', 'abort=', '--exportStart', '_initialize']

/** Where a source lies and how hard the compiler works. */
export interface CompileOptions {
  /** Another tree to compile, laid out as this repository. */
  readonly root?: string
  /** Kernels are published at 3; at any level they give the same weights for the same number of updates. */
  readonly optimize?: 0 | 1 | 2 | 3
}

/**
 * Compiles an AssemblyScript entry file, named from the repository's root with forward slashes. No imports, no runtime,
 * static initialisation exported as `_initialize`. The compiler is pinned, so the same sources give the same bytes.
 * @param memoryPagesMax declared maximum of the memory, in pages of 64 KiB
 * @throws Error with the compiler's own messages
 */
export async function compileAssembly(
  entry: string,
  memoryPagesMax: number,
  { root = ROOT, optimize = 3 }: CompileOptions = {},
): Promise<Uint8Array> {
  const written: Uint8Array[] = []
  const { error, stderr } = await main(
    [
      entry,
      '--baseDir',
      root,
      `-O${optimize}`,
      ...FLAGS,
      '--maximumMemory',
      String(memoryPagesMax),
      '--outFile',
      'module.wasm',
    ],
    {
      writeFile: (_name: string, contents: unknown) => {
        if (contents instanceof Uint8Array) written.push(contents)
      },
    },
  )
  const [module] = written
  if (error !== null || module === undefined)
    throw new Error(`${entry} does not compile\n${stderr.toString()}`)
  return module
}

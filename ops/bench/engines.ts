// The processes that a bench measures in turn: this Node with V8's strict engine, the same with revectorisation, and PyTorch.

import { type ChildProcess, fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { z } from 'zod'

export const ENGINES = ['strict', 'paired'] as const
export type EngineName = (typeof ENGINES)[number]

/** V8's flags for an engine, on node's command line. */
export const flagsOf = (engine: EngineName): readonly string[] => [
  '--no-wasm-deopt',
  '--no-liftoff',
  ...(engine === 'paired' ? ['--experimental-wasm-revectorize'] : []),
]

/** A product C = A B as a kernel asks for it: which operand is transposed, rows, columns, inner size. */
export interface GemmShape {
  readonly order: 'NN' | 'NT' | 'TN'
  readonly m: number
  readonly n: number
  readonly k: number
}

/** A training run: the kernel's release as a file, and its recipe. */
export interface Training {
  readonly release: string
  readonly recipe: Readonly<Record<string, string | number>>
}

export type Request =
  /** GFLOP/s of multiplications and additions in registers. */
  | { readonly ask: 'probe' }
  /** GFLOP/s of one product. */
  | { readonly ask: 'gemm'; readonly shape: GemmShape }
  /** Milliseconds an update. */
  | { readonly ask: 'update'; readonly training: Training; readonly updates?: number }
  /** Share of zeros in the state, and how many of its f32 are denormal. */
  | { readonly ask: 'state'; readonly training: Training }
  /** From a release's bytes to the end of its first update. */
  | { readonly ask: 'start'; readonly training: Training }
  /** Milliseconds for a whole checkpoint, and its bytes. */
  | { readonly ask: 'checkpoint'; readonly training: Training }

const Answer = z.object({
  value: z.number(),
  flops: z.number().optional(),
  parameters: z.number().optional(),
  bytes: z.number().optional(),
})
export type Answer = z.infer<typeof Answer>

/** One engine of V8 in a process of its own, since flags hold for a whole process. */
export interface EngineProcess {
  readonly name: EngineName
  ask(request: Request): Promise<Answer>
  close(): void
}

export function openEngineProcess(name: EngineName): EngineProcess {
  const child = fork(join(import.meta.dirname, 'engine-process.ts'), { execArgv: [...flagsOf(name)] })
  const gone = endOf(child)
  gone.catch(() => undefined) // told to whoever asks
  return {
    name,
    ask: async request => {
      const answered = Promise.race([once(child, 'message'), gone])
      child.send(request)
      const [answer] = await answered
      return Answer.parse(answer)
    },
    close: () => child.kill(),
  }
}

async function endOf(child: ChildProcess): Promise<never> {
  const [code, signal] = await once(child, 'exit')
  throw new Error(`an engine's process ended with ${signal ?? code}`)
}

/**
 * Runs `use` with a fresh process of each engine. One a round: where compiled code and memory happen to lie in a process makes
 * a difference of up to a quarter, the same in all that this process measures.
 */
export async function withEngines<T>(use: (engines: readonly EngineProcess[]) => Promise<T>): Promise<T> {
  const engines = ENGINES.map(openEngineProcess)
  try {
    return await use(engines)
  } finally {
    for (const engine of engines) engine.close()
  }
}

const TwinAnswer = z.object({ ms: z.number(), parameters: z.int(), blas: z.string() })
export type TwinAnswer = z.infer<typeof TwinAnswer>

/** PyTorch on one thread, training the same model; its own choice of instruction set. */
export interface Twin {
  /** Milliseconds an update of the model of that width, measured for at least `seconds`. */
  update(width: number, seconds: number): Promise<TwinAnswer>
  close(): void
}

// Debian's packages belong to its own Python, which need not be the first in the path.
const PYTHONS = ['/usr/bin/python3', 'python3']

/** Starts the twin, or says why there is none: no PyTorch, or one that multiplies with the reference BLAS. */
export async function openTwin(): Promise<Twin | { readonly missing: string }> {
  for (const python of PYTHONS) {
    const twin = startTwin(python)
    const first = await twin.update(64, 0.01).catch(() => undefined)
    if (first !== undefined && first.blas !== 'reference') return twin
    twin.close()
    if (first !== undefined)
      return { missing: 'PyTorch has the reference BLAS only (apt-get install libopenblas0-pthread)' }
  }
  return { missing: 'no PyTorch (apt-get install python3-torch libopenblas0-pthread)' }
}

function startTwin(python: string): Twin {
  const { OPENBLAS_CORETYPE: _, OPENBLAS_L2_SIZE: __, ...inherited } = process.env
  // PyTorch's own setting does not reach OpenBLAS's threads.
  const env = { ...inherited, OPENBLAS_NUM_THREADS: '1', OMP_NUM_THREADS: '1' }
  const child = spawn(python, [join(import.meta.dirname, 'twin.py')], {
    env,
    stdio: ['pipe', 'pipe', 'ignore'],
  })
  child.stdin.on('error', () => undefined) // its end is told by `close`
  const lines = createInterface({ input: child.stdout })
  const gone = Promise.race([once(child, 'close'), once(child, 'error')]).then(() => {
    throw new Error(`${python} cannot run the twin`)
  })
  gone.catch(() => undefined) // told to whoever asks
  return {
    update: async (width, seconds) => {
      const answered = Promise.race([once(lines, 'line'), gone])
      child.stdin.write(`${JSON.stringify({ width, seconds })}\n`)
      const [line] = await answered
      return TwinAnswer.parse(JSON.parse(line))
    },
    close: () => child.kill(),
  }
}

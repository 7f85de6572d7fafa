import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { z } from 'zod'
import type { Values } from '#search/expression.ts'
import { streamOf } from '#search/stream.ts'
import { mixed, mixedAfter, type Problem } from './functions.ts'
import { NOISE, UNITS_PER_RUN } from './simulate.ts'

/** Debian's python3-optuna, whose Python this is. */
const PYTHON = '/usr/bin/python3'

export const OPTUNA_SAMPLERS = ['random', 'tpe', 'cmaes'] as const
type OptunaSampler = (typeof OPTUNA_SAMPLERS)[number]

const Message = z.union([
  z.object({ version: z.string() }),
  z.object({ end: z.literal(true) }),
  z.object({ values: z.record(z.string(), z.union([z.string(), z.number()])), units: z.number().optional() }),
])

export interface Optuna {
  readonly version: string
  /** Simple regret after each of `count` trials. */
  regretsOf(
    problem: Problem,
    sampler: OptunaSampler,
    run: { readonly seed: number; readonly count: number },
  ): Promise<number[]>
  /** As `regretWithin` of simulate.ts, with successive halving. */
  regretWithin(units: number, sampler: OptunaSampler, seed: number): Promise<number>
  stop(): void
}

/** Starts Optuna in a process of its own; undefined when this machine has none. */
export async function startOptuna(): Promise<Optuna | undefined> {
  const child = spawn(PYTHON, [join(import.meta.dirname, 'peer.py')], {
    stdio: ['pipe', 'pipe', 'ignore'],
    env: { OMP_NUM_THREADS: '1', OPENBLAS_NUM_THREADS: '1' },
  })
  child.on('error', () => child.stdout.destroy()) // no such program: its lines end
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const next = async (): Promise<z.infer<typeof Message> | undefined> => {
    const { value, done } = await lines.next()
    return done === true ? undefined : Message.parse(JSON.parse(value))
  }
  const hello = await next()
  if (hello === undefined || !('version' in hello)) return undefined
  const study = async (
    order: object,
    evaluate: (values: Values, units?: number) => number,
  ): Promise<void> => {
    send(child, order)
    for (;;) {
      const message = await next()
      if (message === undefined) throw new Error('Optuna ended in the middle of a study')
      if ('end' in message) return
      if ('values' in message) send(child, evaluate(message.values, message.units))
    }
  }
  return {
    version: hello.version,
    regretsOf: async (problem, sampler, { seed, count: trials }) => {
      const regrets: number[] = []
      await study({ space: problem.space, sampler, seed, trials }, values => {
        const value = problem.of(values)
        regrets.push(Math.min(regrets.at(-1) ?? Infinity, value - problem.least))
        return value
      })
      return regrets
    },
    regretWithin: async (units, sampler, seed) => {
      const noise = streamOf(seed, 2 ** 31)
      let best = { shown: Infinity, regret: Infinity }
      await study({ space: mixed.space, sampler, seed, units }, (values, at = UNITS_PER_RUN) => {
        const value = mixedAfter(values, at) + NOISE * noise.normal()
        if (at === UNITS_PER_RUN && value < best.shown) best = { shown: value, regret: mixed.of(values) }
        return value
      })
      return best.regret
    },
    stop: () => {
      child.stdin.end()
      void once(child, 'exit')
    },
  }
}

function send(child: ChildProcess, message: unknown): void {
  child.stdin?.write(`${JSON.stringify(message)}\n`)
}

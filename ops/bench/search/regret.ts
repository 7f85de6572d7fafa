import { join } from 'node:path'
import { Piscina } from 'piscina'
import { SAMPLERS } from '#protocol/space.ts'
import type { Figure } from '../../figures.ts'
import { BOUNDS, CLEAR } from './bounds.ts'
import { digits, luckOf, median, twoSidedLuckOf } from './compare.ts'
import { PROBLEMS, type Problem } from './functions.ts'
import { OPTUNA_SAMPLERS, type Optuna } from './optuna.ts'
import type { Task } from './thread.ts'

const AFTER = [30, 50, 100] as const
const COUNT = 100
const THREADS = 2

interface Wanted {
  readonly seeds: number
  readonly optuna: Optuna | undefined
  readonly functions?: readonly string[] | undefined
  readonly samplers?: readonly string[] | undefined
}

/** Regrets of all seeds, [seed][trial], by sampler. */
type Runs = Map<string, readonly (readonly number[])[]>

export async function regretFigures({ seeds, optuna, functions, samplers }: Wanted): Promise<Figure[]> {
  const pool = new Piscina<Task, number[]>({
    filename: join(import.meta.dirname, 'thread.ts'),
    name: 'simulate',
    maxThreads: THREADS,
  })
  const figures: Figure[] = []
  const all = new Map<string, Runs>()
  const names = SAMPLERS.filter(name => name !== 'grid' && (samplers?.includes(name) ?? true))
  for (const problem of PROBLEMS.filter(({ name }) => functions?.includes(name) ?? true)) {
    const runs: Runs = new Map()
    for (const sampler of names)
      runs.set(sampler, await ours(pool, { problem: problem.name, sampler }, seeds))
    if (optuna !== undefined)
      for (const sampler of OPTUNA_SAMPLERS)
        runs.set(`optuna-${sampler}`, await theirs(optuna, problem, sampler, seeds))
    all.set(problem.name, runs)
    figures.push(...rows(problem.name, runs))
    if (names.includes('sobol') && names.includes('random'))
      figures.push(...(await evenness(pool, problem.name)))
    console.error(`${problem.name}: done`)
  }
  await pool.destroy()
  return [...figures, ...names.filter(name => name !== 'random').flatMap(name => contest(all, name))]
}

const ours = (
  pool: Piscina<Task, number[]>,
  task: Pick<Task, 'problem' | 'sampler'>,
  seeds: number,
): Promise<number[][]> =>
  Promise.all(Array.from({ length: seeds }, (_, seed) => pool.run({ ...task, seed, count: COUNT })))

async function theirs(
  optuna: Optuna,
  problem: Problem,
  sampler: (typeof OPTUNA_SAMPLERS)[number],
  seeds: number,
): Promise<number[][]> {
  const runs: number[][] = []
  for (let seed = 0; seed < seeds; seed++)
    runs.push(await optuna.regretsOf(problem, sampler, { seed, count: COUNT }))
  return runs
}

/** Sobol points are to be no worse than chance: over so many seeds that a difference of a tenth of a median shows. */
const EVENNESS_SEEDS = 201

async function evenness(pool: Piscina<Task, number[]>, problem: string): Promise<Figure[]> {
  const of = async (sampler: string): Promise<number[]> =>
    after(await ours(pool, { problem, sampler }, EVENNESS_SEEDS), COUNT)
  const [sobol, random] = [await of('sobol'), await of('random')]
  const row = (what: string, value: number, unit: string): Figure => ({
    ...{ name: `evenness.${problem}.${what}`, value: digits(value), unit },
  })
  return [
    row('ratio', median(sobol) / median(random), `of medians, ${EVENNESS_SEEDS} seeds`),
    row('apart', twoSidedLuckOf(sobol, random), 'p, two-sided'),
  ]
}

const after = (runs: readonly (readonly number[])[], n: number): number[] =>
  runs.map(regrets => regrets[n - 1] ?? Number.NaN)

function rows(problem: string, runs: Runs): Figure[] {
  return [...runs].flatMap(([sampler, regrets]) =>
    AFTER.map((n): Figure => {
      const value = median(after(regrets, n))
      const bound = BOUNDS.find(
        each => each.problem === problem && each.sampler === sampler && each.after === n,
      )
      const peer = runs.get(`optuna-${sampler}`)
      return {
        ...{ name: `regret.${problem}.${sampler}.${n}`, value: digits(value), unit: 'regret' },
        ...(bound === undefined ? {} : { reference: bound.most }),
        ...(peer === undefined ? {} : { ratio: digits(value / median(after(peer, n))) }),
      }
    }),
  )
}

/** How many functions a sampler may lose to random search, by medians after 100. */
const LOSSES: Readonly<Record<string, number>> = { tpe: 0, cmaes: 0, evolution: 2 }

/** A sampler against random search. */
function contest(all: ReadonlyMap<string, Runs>, sampler: string): Figure[] {
  const pairs = [...all].map(([problem, runs]) => ({
    problem,
    own: after(runs.get(sampler) ?? [], COUNT),
    random: after(runs.get('random') ?? [], COUNT),
  }))
  if (pairs.some(({ random }) => random.length === 0)) return []
  const lost = pairs.filter(({ own, random }) => !(median(own) < median(random))).length
  const worse = pairs.filter(({ own, random }) => luckOf(random, own) < 0.01).length
  const clear = sampler === 'tpe' || sampler === 'cmaes' ? CLEAR : []
  return [
    {
      ...{ name: `lost_to_random.${sampler}`, value: lost, unit: 'functions' },
      ...(LOSSES[sampler] === undefined ? {} : { reference: LOSSES[sampler] }),
    },
    ...(sampler === 'sobol' ? pairs : []).map(({ problem, own, random }) => ({
      ...{
        name: `apart.${problem}.${sampler}`,
        value: digits(twoSidedLuckOf(own, random)),
        unit: 'p, two-sided',
      },
    })),
    { name: `worse_than_random.${sampler}`, value: worse, unit: 'functions at p < 0.01', reference: 0 },
    ...pairs
      .filter(({ problem }) => clear.some(each => each === problem))
      .map(({ problem, own, random }) => ({
        ...{ name: `luck.${problem}.${sampler}`, value: digits(luckOf(own, random)), unit: 'p' },
        reference: 0.01,
      })),
  ]
}

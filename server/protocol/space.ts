import { z } from 'zod'
import {
  AGENT_REVISIONS_MAX,
  CHOICES_MAX,
  CONSTRAINTS_MAX,
  EXPRESSION_CHARS_MAX,
  SPACE_DIMENSIONS_MAX,
  TEST_RUNS_MAX,
} from './limits.ts'

const range = { error: 'the lower end is above the upper end' }
const isOrdered = ([low, high]: readonly [number, number]): boolean => low <= high

/** A condition over parameters, such as `width % heads == 0`; server/search/expression.ts has its grammar. */
const ExpressionText = z.string().min(1).max(EXPRESSION_CHARS_MAX)

const common = {
  /** How many values a grid takes from a range. */
  points: z.int().min(1).max(1000).optional(),
  /** The parameter exists only where this holds; elsewhere the kernel's default stands. */
  when: ExpressionText.optional(),
}

/** One dimension of a search space. A seed is never one: it pairs runs. */
export const Dimension = z.union([
  z.strictObject({
    log: z.tuple([z.number().positive(), z.number().positive()]).refine(isOrdered, range),
    ...common,
  }),
  z.strictObject({
    float: z.tuple([z.number(), z.number()]).refine(isOrdered, range),
    step: z.number().positive().optional(),
    ...common,
  }),
  z
    .strictObject({
      int: z.tuple([z.int(), z.int()]).refine(isOrdered, range),
      step: z.int().positive().optional(),
      /** How a sampler measures distance: `log` when 1 to 2 matters as much as 100 to 200. */
      scale: z.enum(['linear', 'log']).optional(),
      when: common.when,
    })
    .refine(({ int, scale }) => scale !== 'log' || int[0] > 0, {
      error: 'a log scale starts above zero',
      path: ['int'],
    }),
  z.strictObject({
    choice: z
      .array(z.union([z.string().max(100), z.number()]))
      .min(1)
      .max(CHOICES_MAX),
    when: common.when,
  }),
])
export type Dimension = z.infer<typeof Dimension>

const parameter = z
  .string()
  .regex(/^[a-z][a-z0-9_]{0,39}$/)
  .refine(name => name !== 'seed', { error: 'a seed is never a dimension: replicate.seeds says how many' })

export const SpaceFile = z
  .record(parameter, Dimension)
  .refine(s => Object.keys(s).length <= SPACE_DIMENSIONS_MAX, {
    error: `a space has at most ${SPACE_DIMENSIONS_MAX} dimensions`,
  })

/** What holds for every recipe of the campaign. One that names an inactive parameter does not apply. */
export const ConstraintsFile = z.array(ExpressionText).max(CONSTRAINTS_MAX)

export const SAMPLERS = ['grid', 'random', 'sobol', 'tpe', 'cmaes', 'gp', 'evolution'] as const

/** Recipes that an owner or an agent proposes, as one of several proposers. */
export const OUTSIDE = 'propose'

const BESIDE = ['random', 'sobol', 'tpe', 'cmaes', 'gp', 'evolution', OUTSIDE] as const

/** Who proposed an experiment. */
/** What the server's agent adds by itself, to answer a question. */
export const AGENT = 'agent'

export const Proposer = z.enum([...SAMPLERS, OUTSIDE, AGENT])
export type Proposer = z.infer<typeof Proposer>

const SamplerFields = z.strictObject({
  /** Tree-structured Parzen estimators over all parameters at once learn from few runs, of any kind of space. */
  name: z.enum(SAMPLERS).default('tpe'),
  seed: z
    .int()
    .min(0)
    .max(2 ** 32 - 1)
    .default(0),
  /** Experiments that a model-based sampler spreads evenly before it trusts its model. */
  startup: z.int().min(1).max(1000).optional(),
  /**
   * Further proposers that share the budget with the sampler: who proposed what passed the sequential tests gets more of it.
   * `propose`: recipes from outside wait for their turn there; without it they begin at once. Needs `stop.sprt`.
   */
  beside: z
    .array(z.enum(BESIDE))
    .min(1)
    .max(BESIDE.length)
    .refine(names => new Set(names).size === names.length, { error: 'each is named once' })
    .optional(),
})

export const SamplerFile = SamplerFields.refine(
  ({ name, beside = [] }) => beside.every(each => each !== name),
  {
    error: 'sampler.name is one of them already',
    path: ['beside'],
  },
).refine(({ name, beside }) => name !== 'grid' || beside === undefined, {
  error: 'a grid is walked from its first point to its last: it has nobody beside it',
  path: ['beside'],
})
export type SamplerFile = z.infer<typeof SamplerFile>

/** Who proposes in a campaign, its sampler first. */
export const proposersOf = ({
  name,
  beside = [],
}: SamplerFile): readonly Exclude<Proposer, typeof AGENT>[] => [name, ...beside]

/** What the built-in agent may do with the space while a campaign runs, each time by a revision with its reasons. */
export const AgentFile = z.strictObject({
  /** How far ranges may grow where the best lies at an end. What is not named never does. */
  widen: z
    .record(parameter, z.tuple([z.number(), z.number()]).refine(isOrdered, range))
    .refine(w => Object.keys(w).length <= SPACE_DIMENSIONS_MAX, { error: `at most ${SPACE_DIMENSIONS_MAX}` })
    .default({}),
  /** Whether ranges shrink to where the best quarter lies. */
  narrow: z.boolean().default(false),
  /** The most revisions that it makes. */
  revisions: z.int().min(1).max(AGENT_REVISIONS_MAX).default(4),
})
export type AgentFile = z.infer<typeof AgentFile>

export const PRUNERS = ['none', 'asha', 'hyperband', 'median'] as const
export type Pruner = (typeof PRUNERS)[number]

/** When runs, comparisons and the campaign end early. */
export const StopFile = z.strictObject({
  /**
   * Which runs are stopped early. Without it: `asha` for a sampler that learns; `none` for one whose runs stand for a whole space,
   * beside `sprt`, and where the kernel knows no rungs.
   */
  prune: z.enum(PRUNERS).optional(),
  /** `effect` is the difference of the metric worth finding; `alpha` is spent over all tests of the campaign. */
  sprt: z
    .strictObject({
      effect: z.number().positive(),
      alpha: z.number().gt(0).max(0.5).default(0.05),
      beta: z.number().gt(0).max(0.5).default(0.05),
      /** Runs that tests may add, on both sides together; reserved with the rest. Without it: half of screening's, at least 64. */
      runs: z.int().min(10).max(TEST_RUNS_MAX).optional(),
    })
    .optional(),
  /** Nothing more is tried once a search has stopped getting better, or once one was promoted; else all of budget.runs is. */
  at: z.enum(['plateau', 'promotion']).optional(),
})
export type StopFile = z.infer<typeof StopFile>

// cartpole@1 as its SPEC.md says, slow and clear. The simulation is f64 in either arithmetic; the policy follows `A`.

import { type Arithmetic, exact, flush, laneSum, type Numbers, randomStream } from './arithmetic.ts'
import { type DescentRecipe, descend, learningRate } from './optimizers.ts'
import { crossEntropy, num } from './parts.ts'
import {
  biasCount,
  fillStack,
  type Place,
  perceive,
  perceiveBack,
  roundUp8,
  type Stack,
  weightCount,
} from './perceptron.ts'

export type CartpoleRecipe = DescentRecipe & {
  readonly depth: number
  readonly width: number
  readonly activation: string
  readonly episodes: number
  readonly gamma: number
}

const STEPS_MAX = 200
const TRIALS = 100

export interface Policy {
  readonly stack: Stack
  readonly place: Place
  readonly matrices: number
  readonly parameters: number
}

export function policyOf({ depth, width, activation }: CartpoleRecipe): Policy {
  const stack = { features: 4, width, hidden: depth, outs: 2, activation }
  const matrices = roundUp8(weightCount(stack))
  const place = { weights: 0, biases: matrices }
  return { stack, place, matrices, parameters: matrices + roundUp8(biasCount(stack)) }
}

export function initialise(policy: Policy, seed: number): Float32Array {
  const parameters = new Float32Array(policy.parameters)
  fillStack(randomStream(seed, 0), parameters, policy.stack, { place: policy.place, last: 0.01 })
  return parameters
}

/** sin x and cos x near 0, by their Taylor polynomials in f64. */
export function sine(x: number): number {
  const z = x * x
  const p = [
    1.6059043836821613e-10, -2.505210838544172e-8, 2.7557319223985893e-6, -1.984126984126984e-4,
    8.333333333333333e-3, -0.16666666666666666, 1,
  ]
  return x * p.reduce((sum, c) => sum * z + c)
}

export function cosine(x: number): number {
  const z = x * x
  const p = [
    -1.1470745597729725e-11, 2.08767569878681e-9, -2.755731922398589e-7, 2.48015873015873e-5,
    -1.388888888888889e-3, 4.1666666666666664e-2, -0.5, 1,
  ]
  return p.reduce((sum, c) => sum * z + c)
}

interface Lane {
  state: readonly [position: number, velocity: number, angle: number, spin: number]
  steps: number
  isOver: boolean
}

function newLane(next: () => bigint): Lane {
  const start = (): number => Number(next() >> 11n) * 2 ** -53 * 0.1 - 0.05
  return { state: [start(), start(), start(), start()], steps: 0, isOver: false }
}

function push(lane: Lane, isRight: boolean): void {
  if (lane.isOver) return
  const [position, velocity, angle, spin] = lane.state
  const [s, c] = [sine(angle), cosine(angle)]
  const pull = ((isRight ? 10 : -10) + 0.05 * spin * spin * s) / 1.1
  const torque = (9.8 * s - c * pull) / (0.5 * (4 / 3 - (0.1 * c * c) / 1.1))
  const acceleration = pull - (0.05 * torque * c) / 1.1
  lane.state = [
    position + 0.02 * velocity,
    velocity + 0.02 * acceleration,
    angle + 0.02 * spin,
    spin + 0.02 * torque,
  ]
  lane.steps += 1
  const isInside = Math.abs(lane.state[0]) <= 2.4 && Math.abs(lane.state[2]) <= 0.20943951023931953
  lane.isOver = !isInside || lane.steps === STEPS_MAX
}

/** A batch as it was played: rows of time steps, each with all episodes. */
export interface Episodes {
  readonly seen: Numbers // (rows, 4)
  readonly actions: readonly number[]
  readonly advantages: readonly number[]
  readonly steps: number // in all episodes
  readonly meanReturn: number
}

const observe = (A: Arithmetic, lanes: readonly Lane[]): Numbers => {
  const seen = A.numbers(lanes.length * 4)
  seen.set(lanes.flatMap(({ state }) => state.map(x => Math.fround(x))))
  return seen
}

/** Plays a batch of episodes in exact arithmetic. */
export function playEpisodes(
  policy: Policy,
  parameters: Numbers,
  { episodes, gamma }: CartpoleRecipe,
  next: () => bigint,
): Episodes {
  const lanes = Array.from({ length: episodes }, () => newLane(next))
  const seen: number[] = []
  const actions: number[] = []
  while (lanes.some(lane => !lane.isOver)) {
    const x = observe(exact, lanes)
    seen.push(...x)
    const { logits } = perceive(exact, policy.stack, { parameters, place: policy.place, x })
    lanes.forEach((lane, e) => {
      const isRight = Number(next() >> 40n) / 2 ** 24 >= probability(logits.subarray(2 * e, 2 * e + 2))
      actions.push(isRight ? 1 : 0)
      push(lane, isRight)
    })
  }
  const lengths = lanes.map(({ steps }) => steps)
  const steps = lengths.reduce((sum, n) => sum + n, 0)
  const advantages = advantagesOf(lengths, gamma)
  return {
    ...{ seen: Float32Array.from(seen), actions, advantages },
    ...{ steps, meanReturn: steps / episodes },
  }
}

/** The probability of the first of two actions. */
function probability(row: Numbers): number {
  const top = Math.max(...row)
  const e = [...row].map(z => exact.exp(Math.fround(z - top)))
  const sum = laneSum(exact, 2, i => num(e, i))
  return flush(exact, Math.fround(num(e, 0) * Math.fround(1 / sum)))
}

/** Of all rows, in order; 0 behind an episode's end. */
export function advantagesOf(lengths: readonly number[], gamma: number): number[] {
  const rounds = Math.max(...lengths)
  const returns = lengths.map(length => {
    const list = new Array<number>(rounds).fill(0)
    for (let t = length - 1, sum = 0; t >= 0; t--) {
      sum = 1 + gamma * sum
      list[t] = sum
    }
    return list
  })
  const centred = Array.from({ length: rounds }, (_, t) => {
    const alive = returns.filter((_, e) => t < num(lengths, e))
    const mean = alive.reduce((sum, list) => sum + num(list, t), 0) / alive.length
    return returns.map((list, e) => (t < num(lengths, e) ? num(list, t) - mean : 0))
  }).flat()
  const squares = centred.reduce((sum, a) => sum + a * a, 0)
  const scale = Math.sqrt(squares / lengths.reduce((sum, n) => sum + n, 0)) + 1e-8
  return centred.map(a => a / scale)
}

/** The surrogate -sum(advantage log p(action)) / steps, whose gradient is that of the expected return. */
export function surrogate(A: Arithmetic, policy: Policy, parameters: Numbers, played: Episodes) {
  const x = A.numbers(played.seen.length)
  x.set(played.seen)
  const place = policy.place
  const perceived = perceive(A, policy.stack, { parameters, place, x })
  const weight = A.round(1 / played.steps)
  let loss = 0
  played.actions.forEach((action, r) => {
    const row = perceived.logits.subarray(2 * r, 2 * r + 2)
    const advantage = A.round(num(played.advantages, r))
    loss += advantage * crossEntropy(A, row, action, weight)
    row.forEach((d, i) => {
      row[i] = A.round(d * advantage)
    })
  })
  const gradients = A.numbers(policy.parameters)
  perceiveBack(A, policy.stack, { parameters, place, gradients }, { perceived, dLogits: perceived.logits })
  return { loss: loss / played.steps, gradients }
}

/** The mean return of the trials. */
function evaluate(policy: Policy, parameters: Numbers): number {
  const next = randomStream(0, 2)
  const lanes = Array.from({ length: TRIALS }, () => newLane(next))
  while (lanes.some(lane => !lane.isOver)) {
    const x = observe(exact, lanes)
    const { logits } = perceive(exact, policy.stack, { parameters, place: policy.place, x })
    lanes.forEach((lane, e) => {
      push(lane, num(logits, 2 * e + 1) > num(logits, 2 * e))
    })
  }
  return lanes.reduce((sum, { steps }) => sum + steps, 0) / TRIALS
}

/** Trains for `updates` updates and evaluates, in exact arithmetic. */
export function trainCartpole(
  recipe: CartpoleRecipe,
  { seed, updates }: { seed: number; updates: number },
): { parameters: Float32Array; steps: number; lastReturn: number; meanReturn: number } {
  const policy = policyOf(recipe)
  const parameters = initialise(policy, seed)
  const next = randomStream(seed, 1)
  const state = {
    ...{ parameters, mean: new Float32Array(policy.parameters), square: new Float32Array(policy.parameters) },
    powers: { beta1: 1, beta2: 1 },
  }
  let [steps, lastReturn] = [0, 0]
  for (let update = 0; update < updates; update++) {
    const played = playEpisodes(policy, parameters, recipe, next)
    const { gradients } = surrogate(exact, policy, parameters, played)
    const lr = learningRate(recipe, update, updates)
    descend(state, gradients, { recipe, lr, matrices: policy.matrices })
    steps += played.steps
    lastReturn = played.meanReturn
  }
  return { parameters, steps, lastReturn, meanReturn: evaluate(policy, parameters) }
}

/** The state of a run, as one buffer and as the tensors that a call takes. */
import { sizeOf } from './graph.ts'
import { type Feeds, floatsIn, tensorOf } from './tensors.ts'
import type { Model, StateTensor } from './training.ts'

/** How many floats the state of a run is. */
export const floatsOf = (tensors: readonly StateTensor[]): number =>
  tensors.reduce((sum, { shape }) => sum + sizeOf(shape), 0)

/** The state before the first update: these parameters, and moments of 0. */
export function initialState(
  tensors: readonly StateTensor[],
  model: Model,
  initial: Float32Array,
): Float32Array {
  if (initial.length !== model.floats)
    throw new RangeError(`${initial.length} parameters, not ${model.floats}`)
  const state = new Float32Array(floatsOf(tensors))
  let at = 0
  for (const { part, parameter, shape } of tensors) {
    const size = sizeOf(shape)
    if (part === 'value') state.set(initial.subarray(parameter.at, parameter.at + size), at)
    at += size
  }
  return state
}

export function feedsOf(tensors: readonly StateTensor[], state: Float32Array): Feeds {
  let at = 0
  return Object.fromEntries(
    tensors.map(({ name, shape }) => {
      const data = state.slice(at, at + sizeOf(shape))
      at += data.length
      return [name, { type: 'float32', data, shape }] as const
    }),
  )
}

export function stateOfFeeds(tensors: readonly StateTensor[], feeds: Feeds): Float32Array {
  const state = new Float32Array(floatsOf(tensors))
  let at = 0
  for (const { name } of tensors) {
    const data = floatsIn(feeds, name)
    state.set(data, at)
    at += data.length
  }
  return state
}

/** What a call gives back, as what the next one takes. */
export const nextFeeds = (tensors: readonly StateTensor[], reply: Feeds): Feeds =>
  Object.fromEntries(tensors.map(({ name }) => [name, tensorOf(reply, `next.${name}`)]))

/** The parameters as the artifact has them. */
export function parametersIn(tensors: readonly StateTensor[], model: Model, state: Float32Array) {
  const parameters = new Float32Array(model.floats)
  let at = 0
  for (const { part, parameter, shape } of tensors) {
    if (part !== 'value') break
    const size = sizeOf(shape)
    parameters.set(state.subarray(at, at + size), parameter.at)
    at += size
  }
  return parameters
}

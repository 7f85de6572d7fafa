// Runs a module metered and by the oracle, and says where they differ.

import { meter } from '#kernels/meter.ts'
import { planFunction } from '#kernels/meter-segments.ts'
import { readModule } from '#kernels/wasm-read.ts'
import type { Value } from './wasm-execute.ts'
import { interpret, type OracleRun } from './wasm-interpreter.ts'

/** Metering without admission's demands on exports. */
export function meterModule(bytes: Uint8Array): {
  module: Uint8Array<ArrayBuffer>
  stateNames: readonly string[]
} {
  const refusals = new Map()
  const module = readModule(bytes, refusals)
  if (refusals.size > 0) throw new Error(`refused: ${JSON.stringify([...refusals])}`)
  const metered = meter(
    module,
    module.bodies.map((_, index) => planFunction(module, index)),
  )
  return { module: new Uint8Array(metered.module), stateNames: metered.globals.map(({ name }) => name) }
}

interface MeteredRun {
  readonly trapped: boolean
  readonly fuel: bigint // left
  readonly results: readonly Value['bits'][]
  readonly globals: readonly bigint[]
  readonly memory: Uint8Array
}

export interface Invocation {
  readonly name: string
  readonly args: readonly Value[]
  readonly fuelMax: number // of the oracle
  readonly mayGrow?: boolean
}

export interface Comparison {
  readonly oracle: OracleRun
  readonly differences: readonly string[] // every way in which the metered module departs from the oracle
}

/** Runs both. The metered module gets the fuel that the oracle used, and a little more or less. */
export function compareRuns(bytes: Uint8Array, invocation: Invocation): Comparison {
  const oracle = interpret(bytes, invocation)
  return { oracle, differences: differences(bytes, invocation, oracle) }
}

function differences(bytes: Uint8Array, invocation: Invocation, oracle: OracleRun): string[] {
  const { module, stateNames } = meterModule(bytes)
  const compiled = new WebAssembly.Module(module)
  const run = (fuel: number) => runMetered(compiled, stateNames, { ...invocation, fuel })
  if (oracle.outcome === 'trapped') {
    const rich = run(Number.MAX_SAFE_INTEGER)
    return [
      ...complain(!rich.trapped, 'the oracle trapped, the metered module did not'),
      ...complain(rich.fuel < 0n, 'a trap of another kind looks like a lack of fuel'),
    ]
  }
  if (oracle.outcome === 'limit') {
    const starved = run(invocation.fuelMax)
    return complain(starved.fuel >= 0n, 'the oracle ran out of fuel, the metered module did not')
  }
  const poor = run(oracle.fuel - 1)
  return [
    ...departures(oracle, run(oracle.fuel), 0),
    ...departures(oracle, run(oracle.fuel + 1_000), 1_000),
    ...complain(poor.fuel >= 0n, `${oracle.fuel} executed, but a budget of one less was enough`),
    ...complain(!poor.trapped && poor.fuel !== -1n, `a budget of one less ended at ${poor.fuel}`),
  ]
}

function departures(oracle: OracleRun, run: MeteredRun, left: number): string[] {
  if (run.trapped)
    return [`the oracle used ${oracle.fuel} and returned, the metered module trapped with ${left} to spare`]
  const bits = (values: readonly Value[]): string => values.map(v => v.bits).join()
  return [
    ...complain(
      run.fuel !== BigInt(left),
      `${oracle.fuel} executed, ${BigInt(oracle.fuel + left) - run.fuel} charged`,
    ),
    ...complain(
      run.results.join() !== bits(oracle.results),
      `results ${run.results}, not ${bits(oracle.results)}`,
    ),
    ...complain(
      run.globals.join() !== bits(oracle.globals),
      `globals ${run.globals}, not ${bits(oracle.globals)}`,
    ),
    ...complain(Buffer.compare(run.memory, oracle.memory) !== 0, 'the memories differ'),
  ]
}

const complain = (wrong: boolean, complaint: string): string[] => (wrong ? [complaint] : [])

function runMetered(
  module: WebAssembly.Module,
  stateNames: readonly string[],
  { name, args, fuel, mayGrow = false }: Invocation & { fuel: number },
): MeteredRun {
  const { exports } = new WebAssembly.Instance(module)
  const global = (wanted: string) => exports[wanted] as WebAssembly.Global
  global('xee_fuel').value = BigInt(fuel)
  global('xee_phase').value = mayGrow ? 1 : 0
  const { trapped, results } = attempt(() => (exports[name] as CallableFunction)(...args.map(toJs)))
  return {
    trapped,
    fuel: global('xee_fuel').value,
    results,
    globals: stateNames.map(state => toBits(global(state).value)),
    memory: new Uint8Array((exports.memory as WebAssembly.Memory).buffer),
  }
}

function attempt(call: () => unknown): { trapped: boolean; results: bigint[] } {
  try {
    const value = call()
    return {
      trapped: false,
      results: (Array.isArray(value) ? value : value === undefined ? [] : [value]).map(toBits),
    }
  } catch (error) {
    if (error instanceof WebAssembly.RuntimeError) return { trapped: true, results: [] }
    throw error
  }
}

const toJs = ({ type, bits }: Value): number | bigint =>
  type === 'i64' ? bits : Number(BigInt.asIntN(32, bits))

/** Integers only: tests look at floats through conversions. */
const toBits = (value: number | bigint): bigint =>
  typeof value === 'bigint' ? BigInt.asUintN(64, value) : BigInt.asUintN(32, BigInt(value))

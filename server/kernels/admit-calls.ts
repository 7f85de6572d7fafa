// The call graph: engines overflow their stacks at depths that differ a hundredfold, so the depth is bounded here, by
// an estimate that is the same everywhere.

import { STACK_BYTES_MAX } from '#protocol/limits.ts'
import { type Refusals, refuse } from './admit-refusals.ts'
import type { FunctionPlan } from './meter-segments.ts'
import { functionType, item, typeText, type WasmModule } from './wasm-module.ts'

/**
 * The estimated stack of the longest call path, in bytes. Notes `recursion` (the answer is then 0) and `stack_too_deep`.
 * call_indirect counts as a call of every entry of the table that has its type.
 *
 * A frame is estimated as 64 + 8 for each scalar and 16 for each vector among parameters and locals + 16 for each
 * operand at the highest operand stack: what a compiler without register allocation would spill, with return address,
 * frame pointer, instance and metering's two locals in the 64.
 */
export function checkCalls(module: WasmModule, plans: readonly FunctionPlan[], refusals: Refusals): number {
  const graph = callGraph(module, plans)
  const depths = longestPaths(graph)
  if (typeof depths === 'string') {
    refuse(refusals, 'recursion', depths)
    return 0
  }
  let deepest = 0
  for (const [index, bytes] of depths.entries()) if (bytes > (depths[deepest] ?? 0)) deepest = index
  const stackBytes = depths[deepest] ?? 0
  if (stackBytes > STACK_BYTES_MAX)
    refuse(
      refusals,
      'stack_too_deep',
      `function ${deepest} needs ${stackBytes} bytes; the limit is ${STACK_BYTES_MAX}`,
    )
  return stackBytes
}

interface Node {
  readonly name: string
  readonly bytes: number
  readonly calls: readonly number[]
}

/** Functions first, in index order, then one node for each type that is called indirectly: edges stay linear in the module's size. */
function callGraph(module: WasmModule, plans: readonly FunctionPlan[]): readonly Node[] {
  const wanted = new Set(
    plans.flatMap(({ indirectCalls }) => Array.from(indirectCalls, type => signature(module, type))),
  )
  const typeNodes = new Map(Array.from(wanted, (text, i) => [text, plans.length + i]))
  const entries = new Map<string, Set<number>>(Array.from(wanted, text => [text, new Set()]))
  for (const { functions } of module.elements)
    for (const index of functions) entries.get(typeText(functionType(module, index)))?.add(index)
  const functions = plans.map(({ calls, indirectCalls }, index) => ({
    name: `function ${index}`,
    bytes: frameBytes(module, index, item(plans, index)),
    calls: [
      ...calls,
      ...Array.from(indirectCalls, type => typeNodes.get(signature(module, type))).filter(
        node => node !== undefined,
      ),
    ],
  }))
  const types = Array.from(entries, ([text, targets]) => ({
    name: `call_indirect (${text})`,
    bytes: 0,
    calls: [...targets],
  }))
  return [...functions, ...types]
}

const signature = (module: WasmModule, type: number): string => typeText(item(module.types, type))

function frameBytes(module: WasmModule, index: number, { operandsMax }: FunctionPlan): number {
  let bytes = 64 + 16 * operandsMax
  for (const type of functionType(module, index).params) bytes += type === 'v128' ? 16 : 8
  for (const [count, type] of item(module.bodies, index).locals) bytes += count * (type === 'v128' ? 16 : 8)
  return bytes
}

/** For each node the costliest path that begins with it, or the names along a cycle. Iterative: the graph is a stranger's. */
function longestPaths(graph: readonly Node[]): readonly number[] | string {
  const done = new Map<number, number>()
  const open = new Set<number>() // the nodes of the path
  for (const root of graph.keys()) {
    const path = done.has(root) ? [] : [{ node: root, below: 0, next: 0 }]
    for (let top = path.at(-1); top !== undefined; top = path.at(-1)) {
      const { bytes, calls } = item(graph, top.node)
      const callee = calls[top.next]
      open.add(top.node)
      if (callee === undefined) {
        done.set(top.node, bytes + top.below)
        open.delete(top.node)
        path.pop()
      } else if (open.has(callee)) {
        return cycle(graph, [...open], callee)
      } else if (done.has(callee)) {
        top.below = Math.max(top.below, done.get(callee) ?? 0)
        top.next += 1
      } else path.push({ node: callee, below: 0, next: 0 }) // top looks at it again when it is done
    }
  }
  return Array.from(graph.keys(), node => done.get(node) ?? 0)
}

const NAMES_IN_DETAIL = 8

function cycle(graph: readonly Node[], path: readonly number[], callee: number): string {
  const names = [...path.slice(path.indexOf(callee)), callee].map(node => item(graph, node).name)
  const shown = names.length > NAMES_IN_DETAIL ? [...names.slice(0, NAMES_IN_DETAIL - 1), '…'] : names
  return shown.join(' calls ')
}

// What a serialised model may hold before a runtime sees it.

import { expect, test } from 'vitest'
import { GraphBuilder } from '#client/onnx/graph.ts'
import { assertOurs, modelFault } from '#client/onnx/inspect.ts'
import { modelBytes } from '#client/onnx/model.ts'
import { unary } from '#client/onnx/nodes.ts'
import { ProtobufWriter } from '#client/onnx/protobuf.ts'
import { trainingGraph } from '#client/onnx/training.ts'
import { seeded } from '#support/seeded.ts'
import { CASES, prepare } from './tasks.ts'

const message = (build: (m: ProtobufWriter) => ProtobufWriter): ProtobufWriter => build(new ProtobufWriter())
/** A model with this graph, and operators of these domains. */
const model = (graph: ProtobufWriter, domains: readonly string[] = ['']): Uint8Array =>
  domains
    .reduce(
      (m, domain) => m.message(8, new ProtobufWriter().text(1, domain).int(2, 20)),
      new ProtobufWriter().int(1, 10).message(7, graph),
    )
    .finish()
const node = (op: string): ProtobufWriter => message(m => m.text(1, 'x').text(2, 'y').text(4, op))
const graphOf = (part: ProtobufWriter): ProtobufWriter => message(m => m.message(1, part))
const constant = (): ProtobufWriter => message(m => m.int(1, 1).int(2, 1).text(8, 'c'))
const tensor = (part: ProtobufWriter): ProtobufWriter => message(m => m.message(5, part))
const nested = (part: ProtobufWriter): ProtobufWriter =>
  graphOf(
    node('Loop').message(
      5,
      message(m => m.text(1, 'body').message(6, part).int(20, 5)),
    ),
  )

test.each(CASES)('the model that this program writes for %s %j passes', async (name, changes) => {
  const { task } = await prepare(name, changes)
  expect(modelFault(modelBytes(trainingGraph(task.learner.model, task.recipe)))).toBeUndefined()
})

const place = (key: string, value: string) => message(m => m.text(1, key).text(2, value))
test.each([
  ['data in another file', tensor(constant().message(13, place('location', '/etc/passwd'))), 'external data'],
  ['a tensor that says its data is elsewhere', tensor(constant().int(14, 1)), 'external data'],
  [
    'the same inside a loop',
    nested(tensor(constant().message(13, place('location', '../x')))),
    'external data',
  ],
  ['an operator with a domain', graphOf(node('Add').text(7, 'com.microsoft')), 'a domain of its own'],
  ['an operator that no step uses', graphOf(node('EyeLike')), 'the operator EyeLike'],
  ['such a one inside a loop', nested(graphOf(node('If'))), 'the operator If'],
  ['a sparse tensor', message(m => m.message(15, constant())), 'a sparse tensor'],
  [
    'a tensor as an attribute',
    graphOf(
      node('Add').message(
        5,
        message(m => m.message(5, constant())),
      ),
    ),
    'a tensor as an attribute',
  ],
  ['a field from the future', message(m => m.int(99, 1)), 'field 99 of a graph'],
])('%s is refused', (_, graph, reason) => {
  expect(modelFault(model(graph))).toContain(reason)
  expect(() => assertOurs(model(graph))).toThrow(reason)
})

test('functions, training information and other operator sets are refused', () => {
  const whole = (build: (m: ProtobufWriter) => ProtobufWriter) =>
    modelFault(build(new ProtobufWriter().int(1, 10).message(7, graphOf(node('Add')))).finish())
  expect(whole(m => m.message(25, new ProtobufWriter()))).toBe('functions')
  expect(whole(m => m.message(20, new ProtobufWriter()))).toBe('training information')
  expect(modelFault(model(graphOf(node('Add')), ['', 'ai.onnx.ml']))).toBe('the operators of ai.onnx.ml')
})

test('what is no model at all is refused: another format, an end in the middle, a length without end, depth', () => {
  expect(modelFault(new TextEncoder().encode('\x20\x00\x00\x00ORTM'))).toBeDefined()
  const whole = model(graphOf(node('Add')))
  expect(modelFault(whole.subarray(0, whole.length - 1))).toContain('damaged')
  const endless = Uint8Array.of(0x3a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f)
  expect(modelFault(endless)).toBe('a damaged model')
  let deep = graphOf(node('Add'))
  for (let i = 0; i < 20; i++) deep = nested(deep)
  expect(modelFault(model(deep))).toContain('too deep')
})

test('damage of any byte is a reason or none, never a throw', () => {
  const g = new GraphBuilder()
  const bytes = modelBytes(g.finish([g.named(unary(g, 'Relu', g.input('x', 'float32', [2])), 'y')]))
  expect(modelFault(bytes)).toBeUndefined()
  const random = seeded()
  for (let i = 0; i < 5000; i++) {
    const damaged = bytes.slice()
    damaged[Math.floor(random() * bytes.length)] = Math.floor(random() * 256)
    const fault = modelFault(damaged)
    expect(fault === undefined || typeof fault === 'string').toBe(true)
  }
})

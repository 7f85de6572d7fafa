/**
 * Looks at a serialised model before any runtime does. This program writes all its models itself, so whatever it would never write
 * is refused: data in other files, operators that are not ONNX's own or that no step of ours uses, functions, unknown fields.
 */

/** What a message may consist of, by field number; field numbers as in onnx.proto. */
interface Kind {
  readonly name: string
  readonly fields: () => Readonly<Record<number, Kind | 'value'>>
  /** Words for fields that a stranger's model might have and ours never do. */
  readonly refused?: Readonly<Record<number, string>>
}

const values = (...fields: readonly number[]): Record<number, 'value'> =>
  Object.fromEntries(fields.map(field => [field, 'value'] as const))

const TENSOR: Kind = {
  name: 'tensor',
  fields: () => values(1, 2, 8, 9),
  refused: { 13: 'external data', 14: 'external data' },
}
const VALUE: Kind = { name: 'value', fields: () => ({ 1: 'value', 2: TYPE }) }
const TYPE: Kind = { name: 'type', fields: () => ({ 1: TENSOR_TYPE }) }
const TENSOR_TYPE: Kind = { name: 'tensor type', fields: () => ({ 1: 'value', 2: SHAPE }) }
const SHAPE: Kind = { name: 'shape', fields: () => ({ 1: DIMENSION }) }
const DIMENSION: Kind = { name: 'dimension', fields: () => values(1, 2) }
const ATTRIBUTE: Kind = {
  name: 'attribute',
  fields: () => ({ ...values(1, 2, 3, 4, 8, 20), 6: GRAPH }),
  refused: { 5: 'a tensor as an attribute', 10: 'tensors as an attribute', 22: 'a sparse tensor' },
}
const NODE: Kind = {
  name: 'node',
  fields: () => ({ ...values(1, 2, 4), 5: ATTRIBUTE }),
  refused: { 7: 'an operator of a domain of its own' },
}
const GRAPH: Kind = {
  name: 'graph',
  fields: () => ({ 1: NODE, 2: 'value', 5: TENSOR, 11: VALUE, 12: VALUE }),
  refused: { 15: 'a sparse tensor' },
}
const OPSET: Kind = { name: 'operator set', fields: () => values(1, 2) }
const MODEL: Kind = {
  name: 'model',
  fields: () => ({ ...values(1, 2), 7: GRAPH, 8: OPSET }),
  refused: { 20: 'training information', 25: 'functions' },
}

/** All operators that a training step of ours uses. */
const OPERATORS: ReadonlySet<string> = new Set([
  ...['Add', 'Cast', 'Concat', 'ConstantOfShape', 'Conv', 'ConvTranspose', 'Div', 'Equal', 'Exp', 'Gather'],
  ...['GatherElements', 'Gemm', 'Greater', 'Identity', 'LayerNormalization', 'LogSoftmax', 'Loop', 'MatMul'],
  ...['Max', 'Mul', 'Neg', 'Reciprocal', 'ReduceMean', 'ReduceSum', 'ReduceSumSquare'],
  ...['Relu', 'Reshape', 'Sigmoid', 'Softmax', 'Split', 'Sqrt', 'Sub', 'Sum', 'Tanh', 'Transpose', 'Where'],
])

const OP_TYPE = 4
const OPSET_DOMAIN = 1
/** Our largest is about one: constants are masks and tables of angles. */
const MODEL_BYTES_MAX = 16 * 1024 * 1024
/** A model, its loop, and what is in that. */
const DEPTH_MAX = 16

/** Why a serialised model is none of ours, or undefined. */
export function modelFault(model: Uint8Array): string | undefined {
  if (model.length > MODEL_BYTES_MAX) return `a model of ${model.length} bytes`
  return messageFault(MODEL, model, 0)
}

/** @throws Error for a model that this program would not have written */
export function assertOurs(model: Uint8Array): void {
  const fault = modelFault(model)
  if (fault !== undefined) throw new Error(`the model is refused: ${fault}`)
}

function messageFault(kind: Kind, bytes: Uint8Array, depth: number): string | undefined {
  if (depth > DEPTH_MAX) return 'graphs too deep inside one another'
  const known = kind.fields()
  for (const field of fieldsOf(bytes)) {
    if (field === 'damaged') return `a damaged ${kind.name}`
    const is = known[field.number]
    if (is === undefined) return kind.refused?.[field.number] ?? `field ${field.number} of a ${kind.name}`
    const fault = is === 'value' ? valueFault(kind, field) : partFault(is, field, depth)
    if (fault !== undefined) return fault
  }
  return undefined
}

const partFault = (kind: Kind, { bytes }: Field, depth: number): string | undefined =>
  bytes === undefined ? `a damaged ${kind.name}` : messageFault(kind, bytes, depth + 1)

function valueFault(kind: Kind, { number, bytes }: Field): string | undefined {
  const text = new TextDecoder().decode(bytes ?? new Uint8Array())
  if (kind === NODE && number === OP_TYPE && !OPERATORS.has(text)) return `the operator ${text.slice(0, 40)}`
  if (kind === OPSET && number === OPSET_DOMAIN && text !== '') return `the operators of ${text.slice(0, 40)}`
  return undefined
}

interface Field {
  readonly number: number
  /** Of a field with a length; a number has none. */
  readonly bytes?: Uint8Array
}

// Wire types of protobuf; 3, 4, 6 and 7 are of old times or none.
const VARINT = 0
const EIGHT_BYTES = 1
const WITH_LENGTH = 2
const FOUR_BYTES = 5

/** The fields of a message, one after the other; `damaged`, as the last one, where they cannot be read. */
function* fieldsOf(bytes: Uint8Array): Generator<Field | 'damaged'> {
  for (let at = 0; at < bytes.length; ) {
    const key = varintAt(bytes, at)
    if (key === undefined) return yield 'damaged'
    const [number, wire] = [Math.floor(key.value / 8), key.value % 8]
    const end = endOf(bytes, key.end, wire)
    if (end === undefined || end.end > bytes.length || number === 0) return yield 'damaged'
    yield wire === WITH_LENGTH ? { number, bytes: bytes.subarray(end.from, end.end) } : { number }
    at = end.end
  }
}

/** Where the value behind a key begins and ends. */
function endOf(bytes: Uint8Array, from: number, wire: number): { from: number; end: number } | undefined {
  if (wire === EIGHT_BYTES) return { from, end: from + 8 }
  if (wire === FOUR_BYTES) return { from, end: from + 4 }
  const number = wire === VARINT || wire === WITH_LENGTH ? varintAt(bytes, from) : undefined
  if (number === undefined) return undefined
  if (wire === VARINT) return { from, end: number.end }
  return { from: number.end, end: number.end + number.value }
}

const VARINT_BYTES_MAX = 10

/** A number and where it ends. Above 2 ** 53 it is rounded: as a length it is too long all the same. */
function varintAt(bytes: Uint8Array, from: number): { value: number; end: number } | undefined {
  let value = 0
  for (let i = 0; i < VARINT_BYTES_MAX; i++) {
    const byte = bytes[from + i]
    if (byte === undefined) return undefined
    value += (byte & 127) * 2 ** (7 * i)
    if (byte < 128) return { value, end: from + i + 1 }
  }
  return undefined
}

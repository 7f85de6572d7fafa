import {
  ANY,
  type Attribute,
  type Constant,
  type ElementType,
  type Graph,
  type Node,
  type Tensor,
} from './graph.ts'
import { ProtobufWriter } from './protobuf.ts'

/** Numbers of the fields of onnx.proto, https://github.com/onnx/onnx/blob/main/onnx/onnx.proto */
const ELEMENT: Readonly<Record<ElementType, number>> = { float32: 1, int32: 6, int64: 7, bool: 9 }
const IR_VERSION = 10
/** Of the standard operators; 20 brought Gelu, 18 ScatterND's reductions and axes as inputs. */
const OPSET = 20

/** The bytes of an ONNX model with this graph: what InferenceSession.create takes. */
export function modelBytes(graph: Graph): Uint8Array<ArrayBuffer> {
  const opset = new ProtobufWriter().text(1, '').int(2, OPSET)
  return new ProtobufWriter()
    .int(1, IR_VERSION)
    .text(2, 'xeenet')
    .message(7, graphMessage(graph, 'step'))
    .message(8, opset)
    .finish()
}

function graphMessage({ inputs, outputs, constants, nodes }: Graph, name: string): ProtobufWriter {
  const message = new ProtobufWriter()
  for (const node of nodes) message.message(1, nodeMessage(node))
  message.text(2, name)
  for (const constant of constants) message.message(5, tensorMessage(constant))
  for (const input of inputs) message.message(11, valueMessage(input))
  for (const output of outputs) message.message(12, valueMessage(output))
  return message
}

function nodeMessage({ op, inputs, outputs, attributes }: Node): ProtobufWriter {
  const message = new ProtobufWriter()
  for (const { name } of inputs) message.text(1, name)
  for (const { name } of outputs) message.text(2, name)
  message.text(4, op)
  for (const [name, attribute] of Object.entries(attributes))
    message.message(5, attributeMessage(name, attribute))
  return message
}

const TYPE_FIELD = 20
const ATTRIBUTE_TYPE = { float: 1, int: 2, text: 3, graph: 5, ints: 7 } as const

function attributeMessage(name: string, attribute: Attribute): ProtobufWriter {
  const message = new ProtobufWriter().text(1, name)
  if ('float' in attribute) message.float(2, attribute.float).int(TYPE_FIELD, ATTRIBUTE_TYPE.float)
  else if ('int' in attribute) message.int(3, attribute.int).int(TYPE_FIELD, ATTRIBUTE_TYPE.int)
  else if ('text' in attribute) message.text(4, attribute.text).int(TYPE_FIELD, ATTRIBUTE_TYPE.text)
  else if ('graph' in attribute)
    message.message(6, graphMessage(attribute.graph, name)).int(TYPE_FIELD, ATTRIBUTE_TYPE.graph)
  else {
    for (const value of attribute.ints) message.int(8, value)
    message.int(TYPE_FIELD, ATTRIBUTE_TYPE.ints)
  }
  return message
}

function tensorMessage({ tensor: { name, type, shape }, values }: Constant): ProtobufWriter {
  const message = new ProtobufWriter()
  for (const n of shape) message.int(1, n)
  return message.int(2, ELEMENT[type]).text(8, name).bytes(9, rawBytes(type, values))
}

/** Little-endian, whatever the host. */
function rawBytes(type: ElementType, values: readonly number[]): Uint8Array {
  const width = { float32: 4, int32: 4, int64: 8, bool: 1 }[type]
  const bytes = new Uint8Array(width * values.length)
  const view = new DataView(bytes.buffer)
  values.forEach((value, i) => {
    if (type === 'float32') view.setFloat32(4 * i, value, true)
    else if (type === 'int32') view.setInt32(4 * i, value, true)
    else if (type === 'int64') view.setBigInt64(8 * i, BigInt(value), true)
    else view.setUint8(i, value)
  })
  return bytes
}

function valueMessage({ name, type, shape }: Tensor): ProtobufWriter {
  const dimensions = new ProtobufWriter()
  for (const n of shape)
    dimensions.message(
      1,
      n === ANY ? new ProtobufWriter().text(2, 'updates') : new ProtobufWriter().int(1, n),
    )
  const tensorType = new ProtobufWriter().int(1, ELEMENT[type]).message(2, dimensions)
  return new ProtobufWriter().text(1, name).message(2, new ProtobufWriter().message(1, tensorType))
}

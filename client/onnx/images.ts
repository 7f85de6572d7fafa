/** Operators on images, (batch, channels, height, width). */
import type { GraphBuilder, Tensor } from './graph.ts'
import { transpose } from './operators.ts'

const AROUND = { pads: { ints: [1, 1, 1, 1] } }
const HALVED = { kernel_shape: { ints: [2, 2] }, strides: { ints: [2, 2] } }

/** Each pixel and its eight neighbours, 0 outside, times filters (out, in, 3, 3). */
export function convolution3x3(g: GraphBuilder, x: Tensor, filters: Tensor): Tensor {
  const [outs = 0, ins = 0] = filters.shape
  if (x.shape[1] !== ins) throw new RangeError(`filters [${filters.shape}] on [${x.shape}]`)
  const y = g.node({ op: 'Conv', inputs: [x, filters], shape: x.shape.with(1, outs), attributes: AROUND })
  return g.differentiable([x, filters], y, dy => {
    const dx = g.node({ op: 'ConvTranspose', inputs: [dy, filters], shape: x.shape, attributes: AROUND })
    // The filters' gradient is a convolution as well: of images by channel with gradients by channel, over the batch.
    const byChannel = [1, 0, 2, 3]
    const inputs = [transpose(g, x, byChannel), transpose(g, dy, byChannel)]
    const turned = g.node({ op: 'Conv', inputs, shape: [ins, outs, 3, 3], attributes: AROUND })
    return [dx, transpose(g, turned, byChannel)]
  })
}

/** The greatest of each 2 × 2 pixels; an odd last row or column is left out. The gradient goes to the first of equals. */
export function maxPool2x2(g: GraphBuilder, x: Tensor): Tensor {
  const [batch = 0, channels = 0, height = 0, width = 0] = x.shape
  const shape = [batch, channels, height >> 1, width >> 1]
  const results = [
    { type: 'float32', shape } as const,
    { type: 'int64', shape } as const, // where they were, counted through the whole tensor
  ]
  const [y, places] = g.nodes('MaxPool', [x], results, HALVED)
  if (y === undefined || places === undefined) throw new Error('two outputs')
  const whole = g.constant('int64', [x.shape.length], x.shape)
  return g.differentiable([x], y, dy => [
    g.node({ op: 'MaxUnpool', inputs: [dy, places, whole], shape: x.shape, attributes: HALVED }),
  ])
}

/** Operators on images, (batch, channels, height, width). */
import type { GraphBuilder, Tensor } from './graph.ts'
import { asFloat, binary } from './nodes.ts'
import { reshape, split, transpose } from './operators.ts'

const AROUND = { pads: { ints: [1, 1, 1, 1] } }

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
  const [h, w] = [height >> 1, width >> 1]
  // Not the operator MaxPool: on GPUs it does not say where the greatest were, and nothing takes that back.
  const even = cropped(g, cropped(g, x, 2, 2 * h), 3, 2 * w)
  const windows = reshape(g, even, [batch, channels, h, 2, w, 2])
  const corners = split(g, windows, 3, [1, 1]).flatMap(row => split(g, row, 5, [1, 1]))
  return reshape(g, greatest(g, corners), [batch, channels, h, w])
}

/** The first `size` of an axis. */
function cropped(g: GraphBuilder, x: Tensor, axis: number, size: number): Tensor {
  const whole = x.shape[axis] ?? 0
  if (whole === size) return x
  const [kept] = split(g, x, axis, [size, whole - size])
  if (kept === undefined) throw new Error('two parts')
  return kept
}

/** The greatest of tensors of one shape, item by item; the gradient goes to the first of equals. */
function greatest(g: GraphBuilder, parts: readonly Tensor[]): Tensor {
  const [first, ...rest] = parts
  if (first === undefined) throw new RangeError('nothing to choose from')
  return rest.reduce((a, b) => {
    const y = binary(g, 'Max', a, b)
    return g.differentiable([a, b], y, dy => {
      const later = binary(
        g,
        'Mul',
        dy,
        asFloat(g, g.node({ op: 'Greater', inputs: [b, a], shape: y.shape, type: 'bool' })),
      )
      return [binary(g, 'Sub', dy, later), later]
    })
  }, first)
}

// Closed-form operation counts: 2 m n k for a product, 2 h w 9 c o for a convolution, and published weights for the rest.
// They size blocks and slices, drive the progress figure, and go into the report; no schedule depends on them.

import { descendFlops } from '../lib/descend'
import { perceiveBackwardFlops, perceiveFlops } from '../lib/perceptron'
import { descent } from './recipe'
import { channelsOf, head, heightOf, shape, widthOf } from './shape'

// Operations per item: per value of an activation with its bias, of pooling four, of a softmax.
const ACTIVATION: u64 = 10
const POOL: u64 = 8
const SOFTMAX: u64 = 25

/** Operations of the forward pass of one image, its loss included. */
export function forwardFlops(): u64 {
  let sum: u64 = SOFTMAX * u64(shape.classes) + u64(shape.height * shape.width) + perceiveFlops(head)
  for (let b: u32 = 0; b < shape.convolutions; b++) {
    sum += convolutionFlops(b) + (ACTIVATION + POOL) * u64(heightOf(b + 1) * widthOf(b + 1) * channelsOf(b + 1))
  }
  return sum
}

/** Operations of the backward pass of one image: two products for each one forward, but none for the gradient of pixels. */
export function backwardFlops(): u64 {
  let sum: u64 = perceiveBackwardFlops(head, shape.convolutions > 0)
  for (let b: u32 = 0; b < shape.convolutions; b++) {
    sum += (b == 0 ? 1 : 2) * convolutionFlops(b) + POOL * u64(heightOf(b + 1) * widthOf(b + 1) * channelsOf(b + 1))
  }
  return sum
}

/** Operations of the optimizer, the gradient's norm included. */
export function updateFlops(): u64 {
  return descendFlops(descent) * u64(shape.parameters)
}

function convolutionFlops(b: u32): u64 {
  return 18 * u64(heightOf(b) * widthOf(b)) * u64(channelsOf(b)) * u64(channelsOf(b + 1))
}

// The model that lib/run.ts trains: a batch is computed S images at a time, forward and backward, then the update.

import { CALIBRATE, counters } from '../lib/state'
import { backwardFlops, forwardFlops, updateFlops } from './flops'
import { backward, countWrong, forward, losses } from './network'
import { recipe } from './recipe'
import { shape } from './shape'
import { applyUpdate, batchImages, beginUpdate, fillBatch, fillBlock, val, valImages } from './train'

export const BITS_PER_NAT: f64 = 1.4426950408889634

@unmanaged
export class Model {
  begin(): void {
    beginUpdate()
  }

  trainBlocks(): u32 {
    return (recipe.batch + shape.images - 1) / shape.images
  }

  trainStages(): u32 {
    return 1
  }

  trainFlops(block: u32, stage: u32): u64 {
    return u64(batchImages(block)) * (forwardFlops() + backwardFlops())
  }

  train(block: u32, stage: u32): bool {
    const images = batchImages(block)
    fillBatch(block)
    forward(images)
    const loss = losses(images, 1 / f32(recipe.batch))
    if (!(loss < Infinity)) return false
    counters().batchLoss += loss
    backward(images)
    return true
  }

  /** Bits per label. */
  batchLoss(): f64 {
    return (counters().batchLoss / f64(recipe.batch)) * BITS_PER_NAT
  }

  lossMax(): f64 {
    return 100
  }

  updateStages(): u32 {
    return 1
  }

  updateFlops(stage: u32): u64 {
    return updateFlops()
  }

  update(stage: u32): bool {
    return applyUpdate()
  }

  /** All cost the same. */
  longestUpdate(price: u64): u64 {
    return price
  }

  evaluationBlocks(): u32 {
    return (val.count + shape.images - 1) / shape.images
  }

  evaluationStages(): u32 {
    return 1
  }

  evaluationFlops(stage: u32): u64 {
    return u64(shape.images) * forwardFlops()
  }

  evaluate(block: u32, stage: u32): bool {
    const images = valImages(block)
    fillBlock(block)
    forward(images)
    const wrong = countWrong(images)
    const loss = losses(images, 0)
    if (!(loss < Infinity)) return false
    const s = counters()
    if (s.phase == CALIBRATE) return true
    s.valSum += loss
    s.valCount += wrong
    return true
  }

  /** Bits per label. */
  metric(): f64 {
    return (counters().valSum / f64(val.count)) * BITS_PER_NAT
  }
}

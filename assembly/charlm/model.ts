// The model that lib/run.ts trains: a batch is computed S sequences at a time, forward and backward, then the optimizer.

import { CALIBRATE, counters } from '../lib/state'
import { backward, backwardStages } from './backward'
import { BITS_PER_NAT, evaluationBlocks, fillBlock, metricOf } from './evaluate'
import { backwardFlops, forwardFlops } from './flops'
import { forward, forwardStages, head } from './forward'
import { updateFlops, updateStage, updateStages } from './optimize'
import { shape } from './shape'
import { batchRows, beginUpdate, fillBatch } from './train'

@unmanaged
export class Model {
  begin(): void {
    beginUpdate()
  }

  trainBlocks(): u32 {
    return (shape.batch + shape.sequences - 1) / shape.sequences
  }

  trainStages(): u32 {
    return forwardStages() + backwardStages()
  }

  trainFlops(block: u32, stage: u32): u64 {
    const rows = batchRows(block)
    return stage < forwardStages() ? forwardFlops(stage, rows) : backwardFlops(stage - forwardStages(), rows)
  }

  train(block: u32, stage: u32): bool {
    const last = forwardStages() - 1
    const rows = batchRows(block)
    if (stage == 0) fillBatch(block)
    if (stage < last) forward(stage, rows)
    else if (stage > last) backward(stage - last - 1, rows)
    else {
      const loss = head(rows, 1 / f32(shape.batch * shape.context))
      if (!(loss < Infinity)) return false
      counters().batchLoss += loss
    }
    return true
  }

  /** Bits per byte. */
  batchLoss(): f64 {
    return (counters().batchLoss / f64(shape.batch * shape.context)) * BITS_PER_NAT
  }

  lossMax(): f64 {
    return 100
  }

  updateStages(): u32 {
    return updateStages()
  }

  updateFlops(stage: u32): u64 {
    return updateFlops(stage)
  }

  update(stage: u32): bool {
    return updateStage(stage)
  }

  /** All cost the same. */
  longestUpdate(price: u64): u64 {
    return price
  }

  evaluationBlocks(): u32 {
    return evaluationBlocks()
  }

  evaluationStages(): u32 {
    return forwardStages()
  }

  evaluationFlops(stage: u32): u64 {
    return forwardFlops(stage, shape.rows)
  }

  evaluate(block: u32, stage: u32): bool {
    if (stage == 0) fillBlock(block)
    if (stage < forwardStages() - 1) {
      forward(stage, shape.rows)
      return true
    }
    const loss = head(shape.rows, 0)
    if (!(loss < Infinity)) return false
    if (counters().phase != CALIBRATE) counters().valSum += loss
    return true
  }

  metric(): f64 {
    return metricOf()
  }
}

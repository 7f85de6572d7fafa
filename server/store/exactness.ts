// Whether a published run was computed exactly, or at least again: an operator's own run of it in its class, or one by the kernel,
// whose run key `exact_key` is. Costs nothing for what is exact itself.

import { provisional } from './provisional.ts'

interface Of {
  /** Expressions: the engine class, the work unit whose run it is, and the work unit that computed it. */
  readonly engineClass: string
  readonly unit: string
  readonly computedIn: string
}

/** An expression over published runs: `exact`, `rerun` or `not_rerun`. */
export const exactness = ({ engineClass, unit, computedIn }: Of): string => `
  case when ${engineClass} in ('wasm', 'onnx-wasm') then 'exact'
    when exists (select from results t where t.work_unit_id = ${computedIn} and t.trusted and t.verdict = 'valid')
      or exists (select from work_units n join work_units k on k.run_key = n.exact_key join corpus x on x.work_unit_id = k.id
        where n.id = ${unit} and x.engine_class = 'wasm' and x.retracted_at is null
          and not ${provisional('x.work_unit_id')})
    then 'rerun' else 'not_rerun' end`

/**
 * An expression over published runs `c`: whether who may stand for a record has seen them, the verifier, or of a class with a
 * tolerance, where weights are looked at first, a proven host of another owner (DESIGN §8).
 */
export const VERIFIED = `
  exists (select from results r left join results v
      on v.work_unit_id = r.work_unit_id and v.trusted and v.verdict = 'valid'
    where r.id = c.result_id
      and (v.id is not null or r.confirmed and c.engine_class not in ('wasm', 'onnx-wasm')))`

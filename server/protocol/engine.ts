import { z } from 'zod'
import { FLOPS_PER_SECOND_MAX } from './limits.ts'

/**
 * Hosts whose outputs are compared with each other: a work unit and all its results are of one class. `wasm` and `onnx-wasm`
 * give the same bits everywhere, though not those of each other; in the others every device rounds in its own way.
 */
export const EngineClass = z.enum(['wasm', 'onnx-wasm', 'onnx-cpu', 'onnx-cuda', 'onnx-webgpu'])
export type EngineClass = z.infer<typeof EngineClass>

/** What ONNX Runtime computes, from a graph that the client builds itself. */
export const NativeClass = EngineClass.exclude(['wasm'])
export type NativeClass = z.infer<typeof NativeClass>

/** Whether two runs of one job in a class give the same bits; if not they are compared with a tolerance. */
export const isExact = (engineClass: EngineClass): boolean =>
  engineClass === 'wasm' || engineClass === 'onnx-wasm'

/**
 * `exact`: computed in a class whose bits are the same everywhere. Of any other class `rerun`: the kernel itself, or an operator's
 * host, has computed the run as well; `not_rerun`: so far its weights were looked at, and others of its class agree.
 */
export const Exactness = z.enum(['exact', 'rerun', 'not_rerun'])
export type Exactness = z.infer<typeof Exactness>

/**
 * Closed-form training FLOPs a second of one run, as the host's own self-test measured it, by class. It decides which class a
 * host that has several is given, and whether a run can end before its deadline; nothing is paid by it.
 */
export const EngineRates = z.partialRecord(EngineClass, z.number().positive().max(FLOPS_PER_SECOND_MAX))
export type EngineRates = z.infer<typeof EngineRates>

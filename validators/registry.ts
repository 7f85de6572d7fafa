import { type ExactOutput, exact } from './exact.ts'
import type { Validator } from './validator.ts'

const VALIDATORS: Readonly<Record<string, Validator<ExactOutput>>> = { wasm: exact }

/** The validator of an engine class. Throws for a class that no kernel of this server can have. */
export function validatorOf(engineClass: string): Validator<ExactOutput> {
  const validator = VALIDATORS[engineClass]
  if (validator === undefined) throw new Error(`no validator for engine class ${engineClass}`)
  return validator
}

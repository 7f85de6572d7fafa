import { EngineClass, isExact } from '#protocol/engine.ts'
import type { Tolerance } from '#protocol/native.ts'
import { exact } from './exact.ts'
import type { ReadOutput } from './output.ts'
import { tolerance } from './tolerance.ts'
import type { Validator } from './validator.ts'

/**
 * The validator of an engine class; `bounds` are those of the kernel release in a class with a tolerance. Throws for a class that
 * nobody has, and for a tolerance without bounds.
 */
export function validatorOf(engineClass: string, bounds?: Tolerance): Validator<ReadOutput> {
  const known = EngineClass.safeParse(engineClass)
  if (!known.success) throw new Error(`no validator for engine class ${engineClass}`)
  if (isExact(known.data)) return exact
  if (bounds === undefined) throw new Error(`no bounds for engine class ${engineClass}`)
  return tolerance(bounds)
}

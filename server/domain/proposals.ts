import { type Reason, reasonOf } from '#protocol/proposals.ts'
import type { UserId } from '#protocol/units.ts'

/** A release as it asks to be admitted. */
export interface Claim {
  readonly ownerId: UserId
  /** Operators speak for the kernels that are nobody's. */
  readonly isOperator: boolean
  readonly name: string
  readonly version: number
  readonly serial: number
}

/** What is admitted already. */
export interface Admitted {
  /** Kernels of the same name. */
  readonly namesakes: readonly {
    readonly ownerId: UserId | null
    readonly version: number
    readonly serial: number
  }[]
  /** The name@version under which the same module was admitted. */
  readonly moduleAs: string | undefined
}

/**
 * Why a release cannot be admitted beside what is: a name belongs to whoever first had a kernel of that name admitted, a version
 * names one module for ever, serials only grow, and a module has one name.
 */
export function claimFault(claim: Claim, { namesakes, moduleAs }: Admitted): Reason | undefined {
  const { name, version, serial } = claim
  const foreign = namesakes.some(({ ownerId }) =>
    ownerId === null ? !claim.isOperator : ownerId !== claim.ownerId,
  )
  if (foreign)
    return reasonOf('name_taken', `the name ${name} belongs to somebody else`, 'Choose another name.')
  if (namesakes.some(kernel => kernel.version === version))
    return reasonOf('version_taken', `${name}@${version} is admitted already`, 'Raise version and serial.')
  const highest = Math.max(0, ...namesakes.map(kernel => kernel.serial))
  if (serial <= highest)
    return reasonOf('serial_low', `serial ${serial} of ${name} is not above ${highest}`, 'Raise the serial.')
  if (moduleAs !== undefined)
    return reasonOf('module_taken', `this module is admitted as ${moduleAs}`, 'Use that one.')
  return undefined
}

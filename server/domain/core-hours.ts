import type { ValidateReply } from '#protocol/campaign.ts'

// A core of a laptop, a third of what charlm's matrices reach on one (ops/LOG.md, speed): small networks are slower.
const ASSUMED_GFUEL_PER_CORE_SECOND = 8
// Of fewer results a median is a guess as well.
const MEASURED_MIN = 5

/** Core-hours of planned fuel, all replicas counted: by the measured speed of the kernel, or by an assumed one until there is one. */
export function coreHoursOf(
  fuelPlanned: number,
  { gfuelPerCoreSecond, n }: { readonly gfuelPerCoreSecond: number | null; readonly n: number },
): ValidateReply['coreHours'] {
  const isMeasured = gfuelPerCoreSecond !== null && gfuelPerCoreSecond > 0 && n >= MEASURED_MIN
  const speed = isMeasured ? gfuelPerCoreSecond : ASSUMED_GFUEL_PER_CORE_SECOND
  return {
    most: fuelPlanned / 1e9 / speed / 3600,
    gfuelPerCoreSecond: speed,
    ...(isMeasured ? { basis: 'measured', n } : { basis: 'assumed', n: 0 }),
  }
}

// What a busy core draws, with its share of memory and of the machine around it, in watts: from a phone or a small laptop to
// a desktop at full clock. The middle is what published models of servers take for a physical core under load (3.5 W a hardware
// thread, two of them a core).
const WATTS_PER_CORE = { low: 4, typical: 7, high: 15 } as const
/** Of a power supply: what is drawn from the wall for each watt behind it. */
const LOSSES = 1.15

export const ENERGY_FORMULA = 'watt-hours = core-hours × watts of a busy core × losses of the power supply'

export const ENERGY_ASSUMPTIONS = [
  `a busy core draws ${WATTS_PER_CORE.low} to ${WATTS_PER_CORE.high} W with its share of memory, ${WATTS_PER_CORE.typical} W where one figure is given`,
  `${LOSSES} W are drawn from the wall for each of these`,
  'core-hours are the processor time that hosts report, of every result that was accepted, replicas and checks included; runs that were lost are missing',
  'what machines draw when they are idle is not counted, because they would be on; graphics cards are not counted at all',
] as const

export interface Energy {
  readonly low: number
  readonly typical: number
  readonly high: number
}

/** Watt-hours of so many core-hours, as `ENERGY_FORMULA` says. */
export function wattHours(coreHours: number): Energy {
  const of = (watts: number): number => coreHours * watts * LOSSES
  return {
    low: of(WATTS_PER_CORE.low),
    typical: of(WATTS_PER_CORE.typical),
    high: of(WATTS_PER_CORE.high),
  }
}

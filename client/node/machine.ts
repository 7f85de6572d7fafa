import { readdir, readFile } from 'node:fs/promises'
import { cpus } from 'node:os'
import { join } from 'node:path'
import type { Signals } from './presets.ts'

/** Asks the machine how it is; each call covers the time since the one before. */
export interface Machine {
  signals(): Promise<Signals>
}

const POWER = '/sys/class/power_supply'

export function thisMachine(powerDirectory = POWER): Machine {
  let before = usage()
  return {
    signals: async () => {
      const after = usage()
      const othersShare = othersBetween(before, after)
      before = after
      const now = new Date()
      return {
        onBattery: await onBattery(powerDirectory),
        othersShare,
        minuteOfDay: now.getHours() * 60 + now.getMinutes(),
      }
    },
  }
}

interface Usage {
  readonly busyMs: number // all programs, all cores
  readonly totalMs: number
  readonly ownMs: number
}

/** Share of all cores that programs other than this one used between two looks; null when no time has passed. */
export function othersBetween(before: Usage, after: Usage): number | null {
  const total = after.totalMs - before.totalMs
  if (total <= 0) return null
  const others = after.busyMs - before.busyMs - (after.ownMs - before.ownMs)
  return Math.min(1, Math.max(0, others / total))
}

function usage(): Usage {
  let busyMs = 0
  let totalMs = 0
  for (const { times } of cpus()) {
    const busy = times.user + times.nice + times.sys + times.irq
    busyMs += busy
    totalMs += busy + times.idle
  }
  const { user, system } = process.cpuUsage()
  return { busyMs, totalMs, ownMs: (user + system) / 1000 }
}

/** Linux: on battery when a battery discharges. Elsewhere, and without a battery, unknown. */
async function onBattery(directory: string): Promise<boolean | null> {
  const names = await readdir(directory).catch(() => [])
  const states = await Promise.all(names.map(name => statusOf(join(directory, name))))
  const known = states.filter(state => state !== null)
  return known.length === 0 ? null : known.includes('Discharging')
}

async function statusOf(supply: string): Promise<string | null> {
  try {
    const type = (await readFile(join(supply, 'type'), 'utf8')).trim()
    return type === 'Battery' ? (await readFile(join(supply, 'status'), 'utf8')).trim() : null
  } catch {
    return null // it was unplugged, or does not say
  }
}

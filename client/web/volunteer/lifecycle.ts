import type { Pressure, Signals } from './presets.ts'

/** How the machine and the tab are doing; a test has its own. */
export interface Lifecycle {
  now(): Signals
  /** Calls at every change; returns how to end that. */
  watch(onChange: () => void): () => void
}

interface Battery extends EventTarget {
  readonly charging: boolean
}
type WithBattery = Navigator & { getBattery(): Promise<Battery> }
const hasBattery = (it: Navigator): it is WithBattery => 'getBattery' in it

/** What we use of the Compute Pressure API (Chromium on desktops only). */
type Observer = new (
  onChange: (records: readonly { readonly state: Pressure }[]) => void,
) => { observe(source: 'cpu', options: { sampleInterval: number }): Promise<void> }
const isObserver = (it: unknown): it is Observer => typeof it === 'function'

// Pressure is for rules of minutes.
const PRESSURE_MS = 2_000

/** This tab's. Of the signals only visibility and cores are known to every browser. */
export function browserLifecycle(): Lifecycle {
  const changed = new EventTarget()
  const tell = (): void => void changed.dispatchEvent(new Event('change'))
  let hiddenSince = document.hidden ? Date.now() : null
  document.addEventListener('visibilitychange', () => {
    hiddenSince = document.hidden ? Date.now() : null
    tell()
  })
  const charging = watchBattery(tell)
  const pressure = watchPressure(tell)
  return {
    now: () => ({
      hiddenSince,
      charging: charging(),
      ...pressure(),
      phone: matchMedia('(pointer: coarse) and (hover: none)').matches,
      cores: navigator.hardwareConcurrency,
    }),
    watch: onChange => {
      changed.addEventListener('change', onChange)
      return () => changed.removeEventListener('change', onChange)
    },
  }
}

function watchBattery(tell: () => void): () => boolean | null {
  let battery: Battery | undefined
  if (hasBattery(navigator))
    navigator.getBattery().then(
      known => {
        battery = known
        known.addEventListener('chargingchange', tell)
        tell()
      },
      () => undefined, // forbidden by a policy: as good as absent
    )
  return () => battery?.charging ?? null
}

function watchPressure(tell: () => void): () => Pick<Signals, 'pressure' | 'criticalAt'> {
  let pressure: Pressure | null = null
  let criticalAt: number | null = null
  const Observer = 'PressureObserver' in self ? self.PressureObserver : undefined
  if (isObserver(Observer))
    new Observer(records => {
      const state = records.at(-1)?.state ?? null
      if (state === 'critical' || pressure === 'critical') criticalAt = Date.now()
      pressure = state
      tell()
    })
      .observe('cpu', { sampleInterval: PRESSURE_MS })
      .catch(() => undefined) // a platform that cannot tell, or a policy
  return () => ({ pressure, criticalAt })
}

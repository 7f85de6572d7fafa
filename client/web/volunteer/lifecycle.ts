import type { Signals } from './presets.ts'

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

/** This tab's. Of the signals only visibility and cores are known to every browser. */
export function browserLifecycle(): Lifecycle {
  let battery: Battery | undefined
  const changed = new EventTarget()
  const tell = (): void => void changed.dispatchEvent(new Event('change'))
  if (hasBattery(navigator))
    navigator.getBattery().then(
      known => {
        battery = known
        known.addEventListener('chargingchange', tell)
        tell()
      },
      () => undefined, // forbidden by a policy: as good as absent
    )
  document.addEventListener('visibilitychange', tell)
  return {
    now: () => ({
      visible: !document.hidden,
      charging: battery?.charging ?? null,
      phone: matchMedia('(pointer: coarse) and (hover: none)').matches,
      cores: navigator.hardwareConcurrency,
    }),
    watch: onChange => {
      changed.addEventListener('change', onChange)
      return () => changed.removeEventListener('change', onChange)
    },
  }
}

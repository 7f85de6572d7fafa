// The machine under a page, as its browser tells of it: battery, pressure and visibility that a test sets.

import type { BrowserContext, Page } from 'playwright-core'

interface Machine {
  battery(charging: boolean): void
  pressure(state: string): void
  hidden(is: boolean): void
}

/** Every page of the context finds a calm machine that is plugged in, whatever the one below it does. */
export const playMachine = (context: BrowserContext): Promise<unknown> => context.addInitScript(inPage)

/** Changes what the machine under a page says. */
export const tellMachine = <K extends keyof Machine>(
  page: Page,
  what: K,
  value: Parameters<Machine[K]>[0],
): Promise<void> =>
  page.evaluate(
    ([name, said]) => {
      const { machine } = window as unknown as { machine: Record<string, (value: unknown) => void> }
      machine[name]?.(said)
    },
    [what, value] as const,
  )

/** In the page, before its first script: in place of what the browser has. */
function inPage(): void {
  const battery = Object.assign(new EventTarget(), { charging: true })
  const observers: ((records: readonly { state: string }[]) => void)[] = []
  let hidden = false
  const machine: Machine = {
    battery: charging => {
      battery.charging = charging
      battery.dispatchEvent(new Event('chargingchange'))
    },
    pressure: state => {
      for (const tell of observers) tell([{ state }])
    },
    hidden: is => {
      hidden = is
      document.dispatchEvent(new Event('visibilitychange'))
    },
  }
  class PressureObserver {
    constructor(tell: (records: readonly { state: string }[]) => void) {
      observers.push(tell)
    }
    observe = (): Promise<void> => Promise.resolve()
  }
  Object.assign(window, { machine, PressureObserver })
  Object.defineProperty(navigator, 'getBattery', { value: () => Promise.resolve(battery) })
  Object.defineProperty(document, 'hidden', { get: () => hidden })
}

/** Something that rings, also while nobody listens yet. */
export interface Bell {
  ring(): void
  /** Whether it rang: until then, `ms` passed, or all is over. */
  wait(ms: number | undefined): Promise<boolean>
}

/** A bell for one who waits; nobody waits any more once `over` is aborted. */
export function newBell(over: AbortSignal): Bell {
  let hasRung = false
  let answer = (): void => undefined
  over.addEventListener('abort', () => answer(), { once: true })
  return {
    ring: () => {
      hasRung = true
      answer()
    },
    wait: async ms => {
      if (!hasRung && !over.aborted)
        await new Promise<void>(resolve => {
          const timer = ms === undefined ? undefined : setTimeout(resolve, ms)
          answer = () => {
            clearTimeout(timer)
            resolve()
          }
        })
      const rang = hasRung
      hasRung = false
      return rang
    },
  }
}

// What runs in the page while it is timed: it is sent there as it stands, and knows nothing of what is outside.

declare global {
  interface Window {
    /** Milliseconds from the last input of a person to the frame that shows its last effect. */
    redrawnMs?: () => Promise<number>
    /** From the start of the navigation to the frame that shows what `watchFor` waited for. */
    firstShownMs?: number
  }
}

/** Notes when the first element that fits is on the screen: in the page, since a driver hears of it a third of a second later. */
export function watchFor(selector: string): void {
  const watch = new MutationObserver(() => {
    if (document.querySelector(selector) === null) return
    watch.disconnect()
    // The frame after the next begins when the one with it is on the screen.
    requestAnimationFrame(() =>
      requestAnimationFrame(() => {
        window.firstShownMs = performance.now()
      }),
    )
  })
  watch.observe(document, { subtree: true, childList: true })
}

/** Notes when rows and drawings change, and when the frame with them was shown. */
export function watchPage(): void {
  const QUIET_MS = 600
  const seen = { began: 0, changed: 0, shown: 0, frames: 0 }
  const changed = (): void => {
    seen.changed = performance.now()
    seen.frames = 2 // the frame after the next begins when this one is on the screen
  }
  new MutationObserver(changed).observe(document, { subtree: true, childList: true, characterData: true })
  const { prototype } = CanvasRenderingContext2D
  for (const name of ['stroke', 'putImageData', 'drawImage'] as const) {
    const own: (...args: never[]) => unknown = prototype[name]
    Object.assign(prototype, {
      [name](this: CanvasRenderingContext2D, ...args: never[]) {
        changed()
        return own.apply(this, args)
      },
    })
  }
  for (const kind of ['input', 'pointerup'])
    addEventListener(
      kind,
      event => {
        seen.began = event.timeStamp
        seen.shown = 0
      },
      true,
    )
  const eachFrame = (): void => {
    if (seen.frames > 0 && --seen.frames === 0) seen.shown = performance.now()
    requestAnimationFrame(eachFrame)
  }
  requestAnimationFrame(eachFrame)
  window.redrawnMs = async () => {
    while (seen.shown === 0 || performance.now() - seen.changed < QUIET_MS)
      await new Promise(resolve => setTimeout(resolve, 50))
    return seen.shown - seen.began
  }
}

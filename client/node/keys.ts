import type { ReadStream } from 'node:tty'
import { controlOf } from '#runtime/agent-control.ts'
import type { Volunteer } from '#runtime/volunteer.ts'

/** What `s` means. */
const SNOOZE_MS = 3600_000

/**
 * The keys of the live panel: p pauses and goes on, f finishes what is here, s snoozes for an hour, q and Ctrl-C stop. Without a terminal
 * there are none. Returns how to give the terminal back.
 */
export function listenToKeys(input: ReadStream, host: Volunteer, stop: () => void): () => void {
  if (!input.isTTY) return () => undefined
  const onKey = (key: Buffer): void => {
    const pressed = key.toString()
    if (pressed === 'p') {
      const { state } = controlOf(host.state())
      host.send({ type: 'control', to: { state: state === 'run' ? 'pause' : 'run' } })
    } else if (pressed === 'f') host.send({ type: 'control', to: { state: 'finish' } })
    else if (pressed === 's')
      host.send({ type: 'control', to: { state: 'snooze', until: Date.now() + SNOOZE_MS } })
    else if (pressed === 'q' || pressed === '\x03') stop() // a raw terminal turns Ctrl-C into a character
  }
  input.setRawMode(true).resume().on('data', onKey)
  return () => {
    input.off('data', onKey).setRawMode(false).pause()
  }
}

import type { ReadStream } from 'node:tty'
import type { Volunteer } from '#runtime/volunteer.ts'

/**
 * The keys of the live panel: p pauses and goes on, f finishes what is here, q and Ctrl-C stop. Without a terminal
 * there are none. Returns how to give the terminal back.
 */
export function listenToKeys(input: ReadStream, host: Volunteer, stop: () => void): () => void {
  if (!input.isTTY) return () => undefined
  const onKey = (key: Buffer): void => {
    const pressed = key.toString()
    if (pressed === 'p') {
      const paused = host.state().pauses.includes('user')
      host.send({ type: paused ? 'resume' : 'pause', reason: 'user' })
    } else if (pressed === 'f') host.send({ type: 'finish' })
    else if (pressed === 'q' || pressed === '\x03') stop() // a raw terminal turns Ctrl-C into a character
  }
  input.setRawMode(true).resume().on('data', onKey)
  return () => {
    input.off('data', onKey).setRawMode(false).pause()
  }
}

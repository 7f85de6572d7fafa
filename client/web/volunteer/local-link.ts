import { signal } from '@preact/signals'
import { EMPTY, ENDED, type Snapshot } from '#runtime/snapshot.ts'
import type { Link } from './link.ts'
import type { Command } from './messages.ts'
import type { Settings } from './presets.ts'

/** GET /local/status: what the process that serves this page knows. */
interface Local {
  /** Null: no client runs on this machine. */
  readonly running: Snapshot | null
  /** Whether this page's process started it. */
  readonly own: boolean
  /** Why the last one that it started ended, if it was not asked to. */
  readonly trouble: string | null
  readonly server: string
  readonly machineCores: number
}

// Loopback, and nobody else waits: as often as looks alive.
const POLL_MS = 500

const volunteering = signal<Snapshot | undefined>(undefined)
const own = signal(false)
const gone = signal(false)
let cores = navigator.hardwareConcurrency

/** The server to compute for, until one is started. */
export const server = signal('')

async function call(path: string, body?: object): Promise<void> {
  const asked = body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }
  try {
    const response = await fetch(path, { ...asked, headers: { 'content-type': 'application/json' } })
    const said: Local | { error: string } = await response.json()
    gone.value = false
    if ('error' in said) fail(said.error)
    else show(said)
  } catch {
    gone.value = true
    fail('the window that opened this page was closed')
  }
}

function fail(trouble: string): void {
  volunteering.value = { ...(volunteering.value ?? EMPTY), ...ENDED, trouble }
}

function show({ running, trouble, machineCores, ...local }: Local): void {
  const before = volunteering.value
  cores = machineCores
  if (server.value === '' || running !== null) server.value = local.server
  own.value = local.own
  if (running !== null) volunteering.value = running
  else if (before !== undefined || trouble !== null)
    volunteering.value = { ...(before ?? EMPTY), ...ENDED, trouble }
}

const poll = (): void => {
  if (!document.hidden) void call('/local/status')
}
poll()
setInterval(poll, POLL_MS)

/** The client of this machine, over the process that serves this page. */
export const localLink: Link = {
  volunteering,
  mine: own,
  machine: () => ({ cores, phone: false }),
  obstacle: () =>
    gone.value ? 'The window that opened this page was closed. Open XeeNet again.' : undefined,
  start: (settings: Settings) => void call('/local/start', { settings, server: server.value }),
  command: (what: Command) => void call('/local/command', what),
}

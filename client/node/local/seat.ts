import { availableParallelism } from 'node:os'
import type { AgentEvent, AgentState } from '#runtime/agent-state.ts'
import { EMPTY, type PresetName, type Snapshot } from '#runtime/snapshot.ts'
import { heard, stateShown } from '#runtime/snapshot-told.ts'
import type { VolunteerNews } from '#runtime/volunteer.ts'
import { type Preset, presetFor } from '../presets.ts'
import type { LocalCommand } from './messages.ts'
import type { Seat } from './socket.ts'

/** A client as the panel, the page and the command line see it. */
export interface OwnSeat extends Seat {
  snapshot(): Snapshot
  heard(news: VolunteerNews, state: AgentState): void
  enrolled(host: { readonly id: string; readonly name: string }): void
  /** What is steered, once it is there. */
  hosts(host: Steered): void
}

interface Steered {
  readonly state: () => AgentState
  readonly send: (event: AgentEvent) => void
  readonly lend: (preset: Preset) => void
}

interface Setting {
  readonly server: string
  readonly preset: PresetName
  readonly cores: number
  /** Ends a client that has nothing to stop yet. */
  readonly stop: () => void
}

export function openSeat({ server, preset, cores, stop }: Setting): OwnSeat {
  let snapshot: Snapshot = { ...EMPTY, preset, cores }
  let host: Steered | undefined
  const now = (): Snapshot => (host === undefined ? snapshot : stateShown(snapshot, host.state()))
  return {
    snapshot: now,
    heard: (news, state) => {
      snapshot = heard(snapshot, news, state, Date.now())
    },
    enrolled: ({ id, name }) => {
      snapshot = { ...snapshot, phase: 'on', host: { id, name } }
    },
    hosts: steered => {
      host = steered
    },
    status: () => ({ ...now(), pid: process.pid, server, machineCores: availableParallelism() }),
    command: (command: LocalCommand) => {
      if (command.type === 'stop') return stop()
      if (host === undefined) return
      if (command.type !== 'settings') return host.send(command)
      snapshot = { ...snapshot, preset: command.settings.preset }
      host.lend(presetFor(command.settings))
    },
  }
}

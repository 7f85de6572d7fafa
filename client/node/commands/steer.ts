import { setTimeout as sleep } from 'node:timers/promises'
import { Command } from 'commander'
import { z } from 'zod'
import { usage } from '../failure.ts'
import type { LocalCommand, StatusRead } from '../local/messages.ts'
import { steer } from '../local/socket.ts'
import { credit } from '../news.ts'
import { DEFAULT_STATE_DIR, options, withJson } from '../options.ts'
import { openTalk, type Talk } from '../talk.ts'

/** `xeenet pause`, `resume`, `finish`, `snooze`, `stop`, `status` and `logs`: the client that runs on this machine. */
export function steeringCommands(): Command[] {
  const control = (state: 'run' | 'pause' | 'finish') => (): LocalCommand => ({
    type: 'control',
    to: { state },
  })
  return [
    order('pause', 'hold the client of this machine; what was computed is kept', control('pause')),
    order('resume', 'let it go on, out of a pause, a snooze or a finish', control('run')),
    order('finish', 'compute what is here, take nothing new, then end', control('finish')),
    order('stop', 'stop at the next step; what is worth it is kept for the next start', () => ({
      type: 'stop',
    })),
    order('snooze', 'hold it for some time, an hour without a word', snooze).argument(
      '[time]',
      '90s, 15m, 1h',
      '1h',
    ),
    order('status', 'what it does now', () => undefined),
    logsCommand(),
  ]
}

const Where = z.object({ stateDir: z.string(), json: z.boolean().default(false) })

function local(name: string, description: string): Command {
  return withJson(new Command(name).description(description)).option(
    '--state-dir <dir>',
    'of the client that is meant',
    DEFAULT_STATE_DIR,
  )
}

function order(
  name: string,
  description: string,
  commandOf: (argument: string | undefined) => LocalCommand | undefined,
): Command {
  const command = local(name, description)
  return command.action(async (argument: unknown) => {
    const { stateDir, json } = options(Where, command)
    const status = await steer(stateDir, commandOf(typeof argument === 'string' ? argument : undefined))
    show(openTalk(json), status)
  })
}

function show(talk: Talk, status: StatusRead): void {
  talk.data(talk.json ? JSON.stringify(status) : statusLines(status).join('\n'))
}

const UNIT_MS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3600_000, d: 86_400_000 }

/** @throws Failure when the time is none, or more than a year */
export function snooze(text = '1h'): LocalCommand {
  const match = /^(\d{1,5})\s*([smhd])$/.exec(text.trim())
  const ms = Number(match?.[1]) * (UNIT_MS[match?.[2] ?? ''] ?? Number.NaN)
  if (!(ms > 0 && ms <= 365 * 86_400_000))
    throw usage(`${text}: expected a time up to a year: 90s, 15m, 1h, 2d`)
  return { type: 'control', to: { state: 'snooze', until: Date.now() + ms } }
}

/** The status for people. */
export function statusLines(status: StatusRead): string[] {
  const { host, mode, control, runs, computed, balanceMilli } = status
  const reasons = mode?.reasons === undefined ? '' : ` (${mode.reasons.join(', ')})`
  const until =
    control.until === undefined ? '' : ` until ${new Date(control.until).toTimeString().slice(0, 5)}`
  const count = (fate: string): number => computed.filter(one => one.fate === fate).length
  return [
    `${host?.name ?? 'this machine'}  ${mode?.mode ?? status.phase}${reasons}${until}  ${status.cores}/${status.machineCores} cores  ${status.preset}  ${status.server}`,
    ...runs.map(run => `${String(Math.round(run.fraction * 100)).padStart(3)} %  ${run.campaign.title}`),
    `${count('valid')} valid  ${count('waiting')} waiting  ${status.unsent} unsent${balanceMilli === null ? '' : `  balance ${credit(balanceMilli)}`}`,
    ...(status.offline === null ? [] : [`the server does not answer: ${status.offline}`]),
  ]
}

const LogOptions = z.object({ ...Where.shape, follow: z.boolean().default(false) })
const FOLLOW_MS = 1_000

function logsCommand(): Command {
  const command = local('logs', 'its last 50 lines; a service keeps all in the journal of the system')
  return command.option('-f, --follow', 'and what comes').action(async () => {
    const { stateDir, json, follow } = options(LogOptions, command)
    const talk = openTalk(json)
    for (let last = 0; ; await sleep(FOLLOW_MS)) {
      const { log } = await steer(stateDir)
      for (const { at, text } of log.filter(line => line.at > last)) {
        const t = new Date(at).toISOString()
        talk.data(json ? JSON.stringify({ t, text }) : `${t} ${text}`)
      }
      last = log.at(-1)?.at ?? last
      if (!follow) return
    }
  })
}

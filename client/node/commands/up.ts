import { mkdir } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { Command } from 'commander'
import { z } from 'zod'
import { EngineClass } from '#protocol/engine.ts'
import type { Endpoint } from '#runtime/api.ts'
import { EXIT } from '#runtime/exit-codes.ts'
import { type Hours, parseHours } from '#runtime/hours.ts'
import type { Compute } from '#runtime/volunteer.ts'
import { coresOf } from '../cores.ts'
import { deviceLogin } from '../device-login.ts'
import { ENGINE_CHOICES } from '../engine.ts'
import { Failure, selfTestFailure, usage } from '../failure.ts'
import { type Host, startHost } from '../host.ts'
import { hostDirectory, loadEnrolled } from '../identity.ts'
import { listenToKeys } from '../keys.ts'
import { openSeat } from '../local/seat.ts'
import { listenForControl } from '../local/socket.ts'
import { lockStateDir } from '../lock.ts'
import { narrator } from '../narrate.ts'
import { contextOf, DEFAULT_CACHE_DIR, DEFAULT_STATE_DIR, options, withServer } from '../options.ts'
import { PRESETS, type Preset } from '../presets.ts'
import { setting } from '../settings.ts'
import type { Talk } from '../talk.ts'

const UpOptions = z.object({
  name: z.string().trim().min(1).max(60).optional(),
  cores: z.string().optional(),
  stateDir: z.string(),
  cacheDir: z.string(),
  preset: z.enum(['barely', 'polite', 'overnight', 'all']),
  share: z.coerce.number().gt(0).max(1),
  engine: z.enum(ENGINE_CHOICES),
  gpu: z.enum(['auto', 'none']),
  engines: z
    .union([z.literal('auto'), z.string().transform(text => text.split(','))])
    .pipe(z.union([z.literal('auto'), z.array(EngineClass).min(1)])),
  onBattery: z.boolean().default(false),
  schedule: z.string().optional(),
  quietHours: z.string().optional(),
  plain: z.boolean().default(false),
  login: z.boolean().default(false),
  link: z
    .url({ protocol: /^https?$/, error: 'expected an address with a key behind #' })
    .refine(text => new URL(text).hash.startsWith('#xk_'), 'there is no key behind #')
    .optional(),
  once: z.boolean().default(false),
  count: z.coerce.number().int().min(1).optional(),
  checkpointSeconds: z.coerce.number().min(0.1).max(3600).optional(),
  keyFingerprint: z
    .string()
    .regex(/^[0-9a-f]{64}$/, 'expected 64 hexadecimal digits')
    .optional(),
})
type UpOptions = z.infer<typeof UpOptions>

/** What a program around the command line may change. */
export interface Hooks {
  readonly wrapCompute?: (honest: Compute) => Compute
}

/** `xeenet up`, and `xeenet verify`, which is the same client with the platform's token. */
export function upCommand(name: 'up' | 'verify', hooks: Hooks, done: (exit: number) => void): Command {
  const command = new Command(name).description(
    name === 'up'
      ? 'enrol this computer and compute'
      : 'compute checks for the operator, with a platform token',
  )
  // What a person keeps is for volunteering: the operator's verifier is told by flags alone.
  const kept: typeof setting = key => (name === 'up' ? setting(key) : undefined)
  return withServer(command)
    .option('--name <name>', 'how the host is called; generated without', kept('name'))
    .option('--cores <n>', 'runs at once: a number, 50%, MAX, MAX-1', kept('cores'))
    .option(
      '--preset <preset>',
      `${Object.keys(PRESETS).join(', ')}`,
      kept('preset') ?? (name === 'up' ? 'polite' : 'all'),
    )
    .option('--share <fraction>', "share of each core's time", String(kept('share') ?? '1'))
    .option(
      '--engine <engine>',
      'auto, strict or fast: how kernels are compiled; the bits are the same',
      kept('engine') ?? 'auto',
    )
    .option('--gpu <gpu>', 'auto or none: whether a graphics card may compute', kept('gpu') ?? 'auto')
    .option(
      '--engines <classes>',
      `auto, or some of ${EngineClass.options.join(',')}: what to offer of what this machine has`,
      (name === 'up' ? setting('engines') : process.env.XEENET_ENGINES) ?? 'auto',
    )
    .option('--on-battery', 'compute on battery, too', kept('on_battery') === true)
    .option('--no-on-battery', 'pause on battery')
    .option('--schedule <hours>', 'only in these hours, for example 22:00-07:00', kept('schedule'))
    .option('--quiet-hours <hours>', 'never in these hours, for example 09:00-17:00', kept('quiet_hours'))
    .option('--plain', 'lines in place of the live panel')
    .option('--once', 'compute one result and end')
    .option('--count <n>', 'compute so many results and end')
    .option('--checkpoint-seconds <s>', 'how often a run is saved')
    .option('--state-dir <dir>', 'key, token, leases and checkpoints', kept('state_dir') ?? DEFAULT_STATE_DIR)
    .option('--cache-dir <dir>', 'kernels and data, by hash', kept('cache_dir') ?? DEFAULT_CACHE_DIR)
    .option('--login', 'enrol for an account, which a browser confirms')
    .option('--link <address>', 'enrol for the account of an enrolment link, at its server')
    .option(
      '--key-fingerprint <sha256>',
      "refuse kernels that the operator's key did not sign",
      kept('key_fingerprint'),
    )
    .action(async (_: unknown, invoked: Command) => done(await up(invoked, hooks)))
}

/** Where a link leads to, as whom. */
function linked(told: Endpoint, link: string): Endpoint {
  const { origin, hash } = new URL(link)
  return { ...told, server: origin, token: hash.slice(1) }
}

async function up(command: Command, hooks: Hooks): Promise<number> {
  const { talk, endpoint: told } = await contextOf(command)
  const given = options(UpOptions, command)
  const endpoint = given.link === undefined ? told : linked(told, given.link)
  const preset = presetOf(given)
  const cores = coresOf(given.cores ?? preset.cores, availableParallelism())
  if (cores === undefined) throw usage(`--cores ${given.cores}: expected a number, 50%, MAX or MAX-1`)
  const lock = await lockOf(given.stateDir)
  const count = given.once ? 1 : (given.count ?? null)
  const seat = openSeat({ server: endpoint.server, preset: given.preset, cores, stop: endThisProcess })
  const unlisten = await listenForControl(given.stateDir, seat)
  const narrate = narrator(talk, seat, given.plain)
  try {
    const host = await startHost({
      endpoint: given.login ? await loggedIn(endpoint, given.stateDir, talk) : endpoint,
      stateDir: given.stateDir,
      cacheDir: given.cacheDir,
      name: given.name,
      agent: { cores, count, endWithoutWork: given.once },
      preset,
      engine: given.engine,
      engines: { classes: given.engines, gpu: given.gpu },
      share: given.share,
      checkpointMs: given.checkpointSeconds === undefined ? undefined : given.checkpointSeconds * 1000,
      patienceMs: given.once ? 30_000 : undefined,
      keyFingerprint: given.keyFingerprint,
      tell: narrate.tell,
      onEngine: narrate.engine,
      onNative: narrate.native,
      tellNative: narrate.tellNative,
      onEnrolled: narrate.enrolled,
      onOffline: narrate.offline,
      onWork: narrate.working,
      wrapCompute: hooks.wrapCompute,
    })
    seat.hosts(host)
    const exit = await untilDone(host)
    const failed = host.engineFailure()
    if (failed === undefined) return exit
    talk.event(
      'engine',
      { engine: 'strict', why: failed },
      `the fast engine failed: ${failed}; on with the strict one`,
    )
    return startAgain(failed)
  } finally {
    narrate.close()
    await unlisten()
    lock.release()
  }
}

/** A machine that is enrolled already needs no login: its account is settled. What a login gives here is kept nowhere. */
async function loggedIn(endpoint: Endpoint, stateDir: string, talk: Talk): Promise<Endpoint> {
  const directory = await hostDirectory(stateDir, endpoint.server)
  if ((await loadEnrolled(directory)) !== undefined) return endpoint
  return { ...endpoint, token: (await deviceLogin(endpoint, talk, ['enrol'])).token }
}

/**
 * The same command in the same process id. V8 cannot take back how it compiled, and what this process remembers of the failure
 * makes the next one strict. A server that started us would lose sight of us: it starts us again itself.
 */
function startAgain(reason: string): never {
  if (process.execve === undefined || process.connected) throw selfTestFailure(reason, true)
  return process.execve(
    process.execPath,
    [process.execPath, ...process.execArgv, ...process.argv.slice(1)],
    process.env,
  )
}

/** As a signal would, also where there are none; before anybody listens there is nothing to stop. */
function endThisProcess(): void {
  if (!process.emit('SIGTERM', 'SIGTERM')) process.exit(EXIT.ok)
}

function presetOf(given: UpOptions): Preset {
  const preset: Preset = PRESETS[given.preset]
  const schedule = hoursOf('--schedule', given.schedule) ?? preset.schedule
  const quiet = hoursOf('--quiet-hours', given.quietHours) ?? null
  return { ...preset, schedule, quiet, onBattery: preset.onBattery || given.onBattery }
}

function hoursOf(flag: string, text: string | undefined): Hours | undefined {
  if (text === undefined) return undefined
  const hours = parseHours(text)
  if (hours === undefined) throw usage(`${flag} ${text}: expected HH:MM-HH:MM`)
  return hours
}

async function lockOf(stateDir: string) {
  await mkdir(stateDir, { recursive: true, mode: 0o700 })
  const lock = await lockStateDir(stateDir)
  if (!('holder' in lock)) return lock
  throw new Failure(EXIT.alreadyRunning, 'already_running', {
    what: `process ${lock.holder} already uses ${stateDir}`,
    hint: 'Stop it, or give this client its own --state-dir.',
  })
}

// What a first signal may take: one step to the boundary, one call to give work back.
const GRACE_MS = 10_000

/** Runs until the agent ends. The first signal asks it to stop; the second, or ten seconds, ends it. */
async function untilDone(host: Host): Promise<number> {
  const forced = Promise.withResolvers<number>()
  let asked = false
  const stop = (exitAtOnce: number) => (): void => {
    if (asked) forced.resolve(exitAtOnce)
    else host.send({ type: 'stop' })
    asked = true
    setTimeout(() => forced.resolve(EXIT.ok), GRACE_MS).unref()
  }
  const onInterrupt = stop(EXIT.interrupted)
  const onTerminate = stop(EXIT.terminated)
  process.on('SIGINT', onInterrupt).on('SIGTERM', onTerminate)
  // Started by a server that died without a word: nobody would ever stop us.
  process.once('disconnect', onTerminate)
  const leaveKeys = listenToKeys(process.stdin, host, onInterrupt)
  if (process.connected === false) onTerminate() // it died while we enrolled
  try {
    return await Promise.race([host.done, forced.promise])
  } finally {
    leaveKeys()
    process.off('SIGINT', onInterrupt).off('SIGTERM', onTerminate).off('disconnect', onTerminate)
    await host.close()
  }
}

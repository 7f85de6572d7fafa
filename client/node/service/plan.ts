import { posix, win32 } from 'node:path'
import { LABEL, launchdPlist, SERVICE, type ServiceSpec, systemdUnit, taskXml } from './files.ts'

export const VERBS = ['install', 'uninstall', 'status', 'start', 'stop'] as const
export type Verb = (typeof VERBS)[number]
export type Platform = 'linux' | 'darwin' | 'win32'
export const isPlatform = (name: string): name is Platform => ['linux', 'darwin', 'win32'].includes(name)

/** What a verb does, in this order. */
export interface Plan {
  /** Fails when there is no manager to talk to; asked before anything is changed. */
  readonly probe: readonly string[]
  readonly directories: readonly string[]
  readonly write: {
    readonly path: string
    readonly text: string
    readonly encoding: 'utf8' | 'utf16le'
  } | null
  readonly commands: readonly (readonly string[])[]
  readonly remove: string | null
  readonly after: readonly (readonly string[])[]
  /** For people, once it is done. */
  readonly hint: string | null
}

/** Where things are for the user whose service it is. */
export interface Places {
  readonly home: string
  /** `$XDG_CONFIG_HOME`, or its default. */
  readonly config: string
  readonly uid: number
}

const NOTHING = { directories: [], write: null, commands: [], remove: null, after: [], hint: null } as const

/** Pure: `--dry-run` prints it, and it is the same that is done. */
export function planOf(platform: Platform, verb: Verb, spec: ServiceSpec, places: Places): Plan {
  const plans = { linux: systemdPlan, darwin: launchdPlan, win32: taskPlan }
  const plan = plans[platform](verb, spec, places)
  return verb === 'install' ? { ...plan, directories: [spec.stateDir, spec.cacheDir] } : plan
}

function systemdPlan(verb: Verb, spec: ServiceSpec, { config }: Places): Plan {
  const path = posix.join(config, 'systemd', 'user', `${SERVICE}.service`)
  const systemctl = (...args: string[]): string[] => ['systemctl', '--user', ...args]
  const unit = `${SERVICE}.service`
  const base = { ...NOTHING, probe: systemctl('show-environment') }
  switch (verb) {
    case 'install':
      return {
        ...base,
        write: { path, text: systemdUnit(spec), encoding: 'utf8' },
        commands: [systemctl('daemon-reload'), systemctl('enable', unit), systemctl('restart', unit)],
        hint: 'It runs while you are logged in; `loginctl enable-linger` lets it run always. journalctl --user -u xeenet has its log.',
      }
    case 'uninstall':
      return {
        ...base,
        commands: [systemctl('disable', '--now', unit)],
        remove: path,
        after: [systemctl('daemon-reload')],
      }
    case 'status':
      return { ...base, commands: [systemctl('status', '--no-pager', unit)] }
    default:
      return { ...base, commands: [systemctl(verb, unit)] }
  }
}

function launchdPlan(verb: Verb, spec: ServiceSpec, { home, uid }: Places): Plan {
  const path = posix.join(home, 'Library', 'LaunchAgents', `${LABEL}.plist`)
  const domain = `gui/${uid}`
  const service = `${domain}/${LABEL}`
  const base = { ...NOTHING, probe: ['launchctl', 'print', domain] }
  const commands = {
    install: [['launchctl', 'bootstrap', domain, path]],
    uninstall: [['launchctl', 'bootout', service]],
    status: [['launchctl', 'print', service]],
    start: [['launchctl', 'kickstart', service]],
    stop: [['launchctl', 'kill', 'SIGTERM', service]],
  }
  return {
    ...base,
    commands: commands[verb],
    write: verb === 'install' ? { path, text: launchdPlist(spec), encoding: 'utf8' } : null,
    remove: verb === 'uninstall' ? path : null,
  }
}

function taskPlan(verb: Verb, spec: ServiceSpec): Plan {
  const path = win32.join(spec.stateDir, `${SERVICE}-task.xml`)
  const schtasks = (...args: string[]): string[] => ['schtasks', ...args, '/TN', SERVICE]
  const base = { ...NOTHING, probe: ['schtasks', '/Query', '/?'] }
  const commands = {
    install: [schtasks('/Create', '/F', '/XML', path), schtasks('/Run')],
    uninstall: [schtasks('/End'), schtasks('/Delete', '/F')],
    status: [schtasks('/Query', '/V', '/FO', 'LIST')],
    start: [schtasks('/Run')],
    stop: [schtasks('/End')],
  }
  return {
    ...base,
    commands: commands[verb],
    write: verb === 'install' ? { path, text: taskXml(spec), encoding: 'utf16le' } : null,
    remove: verb === 'uninstall' ? path : null,
  }
}

/** The plan as a person would do it. */
export function planLines(plan: Plan): string[] {
  const shown = (command: readonly string[]): string => `$ ${command.join(' ')}`
  return [
    ...plan.directories.map(directory => `$ mkdir -p ${directory}`),
    ...(plan.write === null ? [] : [`# ${plan.write.path}`, ...plan.write.text.trimEnd().split('\n')]),
    ...plan.commands.map(shown),
    ...(plan.remove === null ? [] : [`$ rm ${plan.remove}`]),
    ...plan.after.map(shown),
    ...(plan.hint === null ? [] : [`# ${plan.hint}`]),
  ]
}

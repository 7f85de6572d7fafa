import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { XEENET } from '#ops/process.ts'
import { EXIT } from '#runtime/exit-codes.ts'
import { HOPELESS, type ServiceSpec, systemdUnit } from '../../client/node/service/files.ts'
import { planLines, planOf, VERBS } from '../../client/node/service/plan.ts'

const SPEC: ServiceSpec = {
  command: [
    '/opt/node',
    '/opt/xee net/xeenet.js',
    'up',
    '--name',
    '100% "me" $HOME',
    '--server',
    'https://x.org/?a=1&b=2',
  ],
  stateDir: '/home/ann/.local/state/xeenet',
  cacheDir: '/home/ann/.cache/xeenet',
  memoryMax: '50%',
}
const PLACES = { home: '/home/ann', config: '/home/ann/.config', uid: 1000 }

let directory = ''
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'xeenet-service-'))
})
afterEach(() => rm(directory, { recursive: true, force: true }))

describe('a service', () => {
  test.each(['linux', 'darwin', 'win32'] as const)(
    'of %s is told what the golden file says',
    async platform => {
      const lines = VERBS.flatMap(verb => [`== ${verb}`, ...planLines(planOf(platform, verb, SPEC, PLACES))])
      await expect(`${lines.join('\n')}\n`).toMatchFileSnapshot(`golden/service-${platform}.txt`)
    },
  )

  test('that failed for good is not started again', () => {
    expect(HOPELESS).toEqual([EXIT.usage, EXIT.auth, EXIT.alreadyRunning, EXIT.selfTest])
    expect(systemdUnit(SPEC)).toContain('\nRestartPreventExitStatus=2 4 5 8\n')
  })

  test.skipIf(!existsSync('/usr/bin/systemd-analyze'))('is a unit without fault to systemd', async () => {
    const unit = join(directory, 'xeenet.service')
    await writeFile(unit, systemdUnit({ ...SPEC, command: [process.execPath, ...SPEC.command.slice(1)] }))
    const checked = spawnSync('systemd-analyze', ['verify', '--user', '--man=no', unit], {
      encoding: 'utf8',
      env: { ...process.env, XDG_RUNTIME_DIR: directory },
    })
    expect(checked.stderr.split('\n').filter(line => line.includes('xeenet'))).toEqual([])
  })
})

/** The command line with a `systemctl` of ours in place of the system's: there is no user manager to test with everywhere. */
const service = (args: readonly string[], env: Record<string, string> = {}) =>
  spawnSync(
    process.execPath,
    [
      XEENET,
      'service',
      ...args,
      '--state-dir',
      join(directory, 'state'),
      '--cache-dir',
      join(directory, 'cache'),
    ],
    {
      encoding: 'utf8',
      env: { ...process.env, XDG_CONFIG_HOME: join(directory, 'config'), PATH: directory, ...env },
    },
  )

describe.skipIf(process.platform !== 'linux')('xeenet service on Linux', () => {
  const unit = (): string => join(directory, 'config', 'systemd', 'user', 'xeenet.service')
  const systemctl = async (script: string): Promise<void> => {
    const file = join(directory, 'systemctl')
    await writeFile(file, `#!/bin/sh\n${script}\n`)
    await chmod(file, 0o755)
  }

  test('without a user manager says so, and writes nothing', async () => {
    await systemctl('echo "Failed to connect to bus: No medium found" >&2; exit 1')
    const failed = service(['install'])
    expect(failed.status).toBe(EXIT.failure)
    expect(failed.stderr).toContain('no service manager of this user answers: Failed to connect to bus')
    expect(failed.stderr).toContain('enable-linger')
    expect(existsSync(unit())).toBe(false)
    const absent = service(['status'], { PATH: join(directory, 'nowhere') })
    expect(absent.status).toBe(EXIT.failure)
    expect(absent.stderr).toContain('ENOENT')
  })

  test('installs, and takes out again; --dry-run only prints', async () => {
    await systemctl(`echo "$*" >> ${join(directory, 'asked')}`)
    const dry = service(['install', '--dry-run', '--preset', 'overnight'])
    expect(dry.status).toBe(EXIT.ok)
    expect(dry.stdout).toContain('"--preset" "overnight"')
    expect(existsSync(unit())).toBe(false)
    expect(service(['install']).status).toBe(EXIT.ok)
    expect(await readFile(unit(), 'utf8')).toContain(`"--state-dir" "${join(directory, 'state')}"`)
    expect(existsSync(join(directory, 'state'))).toBe(true)
    expect(service(['uninstall']).status).toBe(EXIT.ok)
    expect(existsSync(unit())).toBe(false)
    const asked = await readFile(join(directory, 'asked'), 'utf8')
    expect(asked.split('\n').filter(line => !line.includes('show-environment'))).toEqual([
      '--user daemon-reload',
      '--user enable xeenet.service',
      '--user restart xeenet.service',
      '--user disable --now xeenet.service',
      '--user daemon-reload',
      '',
    ])
  })

  test('does not write a token down', () => {
    const refused = service(['install', '--token', 'secret', '--dry-run'])
    expect(refused.status).toBe(EXIT.usage)
    expect(refused.stderr).toContain('--token-file')
    expect(refused.stdout).not.toContain('secret')
  })
})

// What a service manager is told about the client, as text. Pure, so that each is held against a golden file.

import { EXIT } from '#runtime/exit-codes.ts'

/** What to run, as which command, and where it may write. */
export interface ServiceSpec {
  /** Node and its arguments, absolute. */
  readonly command: readonly string[]
  readonly stateDir: string
  readonly cacheDir: string
  /** A program that grows beyond it is ended, and started again. */
  readonly memoryMax: string
}

export const SERVICE = 'xeenet'
export const LABEL = 'org.xeenet.volunteer'

/** Starting again mends none of these: a wrong command, a refused token, another client, a machine that computes wrongly. */
export const HOPELESS = [EXIT.usage, EXIT.auth, EXIT.alreadyRunning, EXIT.selfTest]

/**
 * A unit of the user's own systemd. The sandbox needs a user namespace (PrivateUsers); memory must stay executable, since V8 compiles
 * kernels into it.
 */
export const systemdUnit = ({ command, stateDir, cacheDir, memoryMax }: ServiceSpec): string => `[Unit]
Description=XeeNet volunteer: idle compute for open experiments
Documentation=man:systemd.service(5)
StartLimitIntervalSec=0

[Service]
Type=exec
ExecStart=${command.map(unitQuoted).join(' ')}
Restart=on-failure
RestartSec=60
RestartPreventExitStatus=${HOPELESS.join(' ')}
SuccessExitStatus=${EXIT.interrupted} ${EXIT.terminated}
KillMode=mixed
TimeoutStopSec=60
Nice=19
CPUSchedulingPolicy=idle
IOSchedulingClass=idle
MemoryMax=${memoryMax}
NoNewPrivileges=yes
PrivateUsers=yes
PrivateTmp=yes
ProtectSystem=strict
ProtectHome=read-only
ReadWritePaths=${unitQuoted(stateDir)} ${unitQuoted(cacheDir)}
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectControlGroups=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictSUIDSGID=yes
LockPersonality=yes

[Install]
WantedBy=default.target
`

/** One word of a unit file: specifiers and variables are not expanded in it. */
const unitQuoted = (word: string): string =>
  `"${word.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('%', '%%').replaceAll('$', '$$$$')}"`

/** A launch agent. launchd knows no exit codes that it should not restart after; it waits a minute between two. */
export const launchdPlist = ({
  command,
  stateDir,
}: ServiceSpec): string => `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
  <key>Label</key>
  <string>${LABEL}</string>
  <key>ProgramArguments</key>
  <array>
${command.map(word => `    <string>${xml(word)}</string>`).join('\n')}
  </array>
  <key>RunAtLoad</key>
  <true/>
  <key>KeepAlive</key>
  <dict>
    <key>SuccessfulExit</key>
    <false/>
  </dict>
  <key>ThrottleInterval</key>
  <integer>60</integer>
  <key>ExitTimeOut</key>
  <integer>60</integer>
  <key>ProcessType</key>
  <string>Background</string>
  <key>Nice</key>
  <integer>19</integer>
  <key>LowPriorityIO</key>
  <true/>
  <key>StandardErrorPath</key>
  <string>${xml(`${stateDir}/service.log`)}</string>
  <key>StandardOutPath</key>
  <string>${xml(`${stateDir}/service.log`)}</string>
</dict>
</plist>
`

/** A task of the Windows scheduler, at logon, without rights of its own. Priority 10 is the idle class. */
export const taskXml = ({
  command: [program = '', ...args],
}: ServiceSpec): string => `<?xml version="1.0" encoding="UTF-16"?>
<Task version="1.3" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">
  <RegistrationInfo>
    <Description>XeeNet volunteer: idle compute for open experiments</Description>
  </RegistrationInfo>
  <Triggers>
    <LogonTrigger>
      <Enabled>true</Enabled>
    </LogonTrigger>
  </Triggers>
  <Principals>
    <Principal id="Author">
      <LogonType>InteractiveToken</LogonType>
      <RunLevel>LeastPrivilege</RunLevel>
    </Principal>
  </Principals>
  <Settings>
    <MultipleInstancesPolicy>IgnoreNew</MultipleInstancesPolicy>
    <DisallowStartIfOnBatteries>false</DisallowStartIfOnBatteries>
    <StopIfGoingOnBatteries>false</StopIfGoingOnBatteries>
    <ExecutionTimeLimit>PT0S</ExecutionTimeLimit>
    <Hidden>true</Hidden>
    <Priority>10</Priority>
    <RestartOnFailure>
      <Interval>PT1M</Interval>
      <Count>999</Count>
    </RestartOnFailure>
  </Settings>
  <Actions Context="Author">
    <Exec>
      <Command>${xml(program)}</Command>
      <Arguments>${xml(args.map(windowsQuoted).join(' '))}</Arguments>
    </Exec>
  </Actions>
</Task>
`

/** One argument as the C runtime of Windows reads it: backslashes count double only before a quote. */
const windowsQuoted = (word: string): string =>
  /^[\w:\\./-]+$/.test(word) ? word : `"${word.replaceAll(/(\\*)"/g, '$1$1\\"').replace(/(\\+)$/, '$1$1')}"`

const xml = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')

import { join } from 'node:path'
import { parseArgs } from 'node:util'
import envPaths from 'env-paths'
import { z } from 'zod'
import { QUEUES, STAGES } from '#jobs/deps.ts'
import { SignupPolicy } from '#protocol/accounts.ts'
import { ENROL_WORK_MAX, ENROL_WORK_MIN } from '#protocol/limits.ts'
import { LOG_LEVELS } from './log.ts'

export const Role = z.enum(['http', ...STAGES, ...QUEUES, 'cron', 'seal'])
export type Role = z.infer<typeof Role>

const list = (text: string) =>
  text
    .split(',')
    .map(item => item.trim())
    .filter(item => item !== '')

const port = z.coerce.number().int().min(0).max(65_535)
const network = z.union([z.cidrv4(), z.cidrv6()])
const milliseconds = z.coerce
  .number()
  .int()
  .min(0)
  .max(24 * 3600_000)

// The names are those of the environment; a flag is the same name without XEENET_, in kebab case.
const Settings = z.object({
  DATABASE_URL: z.string().min(1).optional(),
  PORT: port.default(7316),
  HOST: z.string().min(1).default('127.0.0.1'),
  XEENET_DATA_DIR: z
    .string()
    .min(1)
    .default(() => join(envPaths('xeenet', { suffix: '' }).data, 'server')),
  XEENET_SECRET_FILE: z.string().min(1).optional(),
  XEENET_PUBLIC_URL: z.url().optional(),
  XEENET_LOG_LEVEL: z.enum(LOG_LEVELS).default('info'),
  XEENET_KERNELS_DIR: z
    .string()
    .min(1)
    .default(join(import.meta.dirname, '..', 'build', 'kernels')),
  XEENET_WEB_DIR: z
    .string()
    .min(1)
    .default(join(import.meta.dirname, '..', 'build', 'web')),
  /** `none` for none: an empty variable counts as not set. */
  XEENET_DATASETS: z
    .string()
    .default('sotu-small@1,shapes@1,sotu@1')
    .transform(text => (text === 'none' ? [] : list(text))),
  /** Both are 0 while fewer than three owners exist. A large grid whose runs take hours wants hours for the first, days for the second. */
  XEENET_PAIR_MS: milliseconds.default(60_000),
  XEENET_STARVE_MS: milliseconds.default(600_000),
  XEENET_RETRY_MIN_MS: milliseconds.default(1_000),
  /** Networks beside the public ones that webhooks may lead to, for receivers on the operator's own. */
  XEENET_WEBHOOK_NETWORKS: z.string().default('').transform(list).pipe(z.array(network)),
  /** PEM certificates of authorities that receivers of webhooks may have theirs from, beside the usual ones. */
  XEENET_WEBHOOK_CA_FILE: z.string().min(1).optional(),
  XEENET_ROLES: z.string().default(Role.options.join(',')).transform(list).pipe(z.array(Role).min(1)),
  /** Networks whose anonymous hosts do not count as one owner. */
  XEENET_SHARED_PREFIXES: z.string().default('127.0.0.0/8,::1/128').transform(list),
  /** Proxies whose X-Forwarded-For is believed; none by default. */
  XEENET_TRUSTED_PROXIES: z.string().default('').transform(list),
  /** Enrolments and other calls without a token that one address may make in a minute. */
  XEENET_ANONYMOUS_PER_MINUTE: z.coerce.number().int().min(1).default(30),
  /**
   * Hash iterations that enrolling without a token takes on average. Measured: five million a second on a core of 2023, so
   * two seconds; a slow phone takes ten times as long.
   */
  XEENET_ENROL_WORK: z.coerce.number().int().min(ENROL_WORK_MIN).max(ENROL_WORK_MAX).default(10_000_000),
  /** Enrolments without a token in a minute, all networks and all processes of the server together. */
  XEENET_ENROL_PER_MINUTE: z.coerce.number().int().min(1).default(120),
  /** The same in a day (UTC) from one network that is not shared. */
  XEENET_ENROL_PER_PREFIX_DAY: z.coerce.number().int().min(1).default(50),
  /** Who may make an account: anybody, whoever an operator invites, or nobody. */
  XEENET_SIGNUP: SignupPolicy.default('open'),
  /** What an account may do that was made without an invitation: a researcher gets a starter and submits campaigns. */
  XEENET_SIGNUP_ROLE: z.enum(['volunteer', 'researcher']).default('volunteer'),
})

/** Everything the server can be told, parsed once. */
export interface Config {
  readonly databaseUrl: string | undefined // undefined: the embedded one
  readonly port: number // 0: any free one
  readonly host: string
  readonly dataDir: string
  readonly secretFile: string
  readonly publicUrl: string | undefined
  readonly logLevel: (typeof LOG_LEVELS)[number]
  readonly kernelsDir: string
  readonly webDir: string // the built pages
  readonly datasets: readonly string[]
  readonly pairMs: number
  readonly starveMs: number
  readonly retryMinMs: number
  readonly roles: readonly Role[]
  readonly webhookNetworks: readonly string[]
  readonly webhookCaFile: string | undefined
  readonly sharedPrefixes: readonly string[]
  readonly trustedProxies: readonly string[]
  readonly anonymousPerMinute: number
  readonly enrolWork: number
  readonly perMinute: number // enrolments without a token
  readonly perPrefixDay: number
  readonly signup: SignupPolicy
  readonly signupRole: 'volunteer' | 'researcher'
}

/** A setting that cannot be used; the message names it. */
export class ConfigError extends Error {
  readonly code = 'config_invalid'
  readonly hint = 'Settings come from the environment or from flags such as --port 8080 or --data-dir DIR.'
}

/** Reads the settings: flags over the environment over defaults. Throws `ConfigError`. */
export function readConfig(
  environment: Readonly<Record<string, string | undefined>>,
  args: readonly string[] = [],
): Config {
  const given = { ...withoutEmpty(environment), ...readFlags(args) }
  const parsed = Settings.safeParse(given)
  if (!parsed.success) throw new ConfigError(z.prettifyError(parsed.error))
  const s = parsed.data
  return {
    databaseUrl: s.DATABASE_URL,
    port: s.PORT,
    host: s.HOST,
    dataDir: s.XEENET_DATA_DIR,
    secretFile: s.XEENET_SECRET_FILE ?? join(s.XEENET_DATA_DIR, 'secrets', 'server.secret'),
    publicUrl: s.XEENET_PUBLIC_URL,
    logLevel: s.XEENET_LOG_LEVEL,
    kernelsDir: s.XEENET_KERNELS_DIR,
    webDir: s.XEENET_WEB_DIR,
    datasets: s.XEENET_DATASETS,
    pairMs: s.XEENET_PAIR_MS,
    starveMs: s.XEENET_STARVE_MS,
    retryMinMs: s.XEENET_RETRY_MIN_MS,
    roles: s.XEENET_ROLES,
    webhookNetworks: s.XEENET_WEBHOOK_NETWORKS,
    webhookCaFile: s.XEENET_WEBHOOK_CA_FILE,
    sharedPrefixes: s.XEENET_SHARED_PREFIXES,
    trustedProxies: s.XEENET_TRUSTED_PROXIES,
    anonymousPerMinute: s.XEENET_ANONYMOUS_PER_MINUTE,
    enrolWork: s.XEENET_ENROL_WORK,
    perMinute: s.XEENET_ENROL_PER_MINUTE,
    perPrefixDay: s.XEENET_ENROL_PER_PREFIX_DAY,
    signup: s.XEENET_SIGNUP,
    signupRole: s.XEENET_SIGNUP_ROLE,
  }
}

const flagOf = (setting: string): string =>
  setting
    .replace(/^XEENET_/, '')
    .toLowerCase()
    .replaceAll('_', '-')

function readFlags(args: readonly string[]): Record<string, string> {
  const settings = Object.keys(Settings.shape)
  const options = Object.fromEntries(settings.map(name => [flagOf(name), { type: 'string' as const }]))
  try {
    const { values } = parseArgs({ args: [...args], options, allowPositionals: false })
    return Object.fromEntries(
      settings.flatMap(name => {
        const value = values[flagOf(name)]
        return value === undefined ? [] : [[name, String(value)]]
      }),
    )
  } catch (error) {
    throw new ConfigError(error instanceof Error ? error.message : String(error))
  }
}

// An empty variable is how shells and unit files say "not set".
function withoutEmpty(environment: Readonly<Record<string, string | undefined>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(environment).flatMap(([name, value]) =>
      value === undefined || value === '' ? [] : [[name, value]],
    ),
  )
}

import { join } from 'node:path'
import envPaths from 'env-paths'
import { z } from 'zod'
import { QUEUES, STAGES } from '#jobs/deps.ts'
import { SignupPolicy } from '#protocol/accounts.ts'
import { ENROL_WORK_MAX, ENROL_WORK_MIN } from '#protocol/limits.ts'
import type { BucketPlace } from '#store/bucket.ts'
import { ConfigError, gather, sentencesOf } from './config-sources.ts'
import { LOG_LEVELS } from './log.ts'

export const Role = z.enum(['http', ...STAGES, ...QUEUES, 'cron', 'seal'])
export type Role = z.infer<typeof Role>

const list = (text: string) =>
  text
    .split(',')
    .map(item => item.trim())
    .filter(item => item !== '')

const DAY_MS = 24 * 3600_000
const whole = (min: number, max: number) => z.coerce.number().int().min(min).max(max)
const number = (fallback: number, min = 1, max = 1e9) =>
  whole(min, max).default(fallback).describe(`a whole number from ${min} to ${max}`)
const port = whole(0, 65_535)
const PORT = 'a port from 0 to 65535'
const milliseconds = (fallback: number) =>
  whole(0, DAY_MS).default(fallback).describe(`milliseconds from 0 to ${DAY_MS}, a day`)
const network = z.union([z.cidrv4(), z.cidrv6()])
const networks = (fallback: string) =>
  z
    .string()
    .default(fallback)
    .transform(list)
    .pipe(z.array(network))
    .describe('networks such as 10.0.0.0/8, separated by commas')
// What express takes: an address, a network, or one of its names for them.
const proxy = z.union([network, z.ipv4(), z.ipv6(), z.enum(['loopback', 'linklocal', 'uniquelocal'])])
const oneOf = (words: readonly string[]): string => `one of ${words.join(', ')}`
const path = z.string().min(1).describe('a path')
// The last part of a bucket's address that we know is its prefix, if any.
const BUCKET_URL = /^(https?:\/\/[^/?#@]+)\/([a-z0-9][a-z0-9.-]+[a-z0-9])(?:\/([\w./-]*?))?\/?$/

// The names are those of the environment; a flag is the same name without XEENET_, in kebab case. The description of a
// setting is what its mistake is told by.
const Settings = z.object({
  /** A YAML file with settings: the names without XEENET_, in snake case. */
  XEENET_CONFIG: path.optional(),
  DATABASE_URL: z
    .string()
    .regex(/^postgres(ql)?:/)
    .optional()
    .describe('an address such as postgres://user:password@host/database'),
  /** Where the programs are of which the embedded PostgreSQL consists, instead of those that come with us. */
  XEENET_POSTGRES_BIN: path.optional(),
  PORT: port.default(7316).describe(PORT),
  /** Where /healthz, /readyz and /metrics answer of a process without the role http; 0: any free one. */
  XEENET_HEALTH_PORT: port.optional().describe(PORT),
  /** After the server was asked to stop it serves for so long, not ready, until balancers have noticed. */
  XEENET_LINGER_MS: milliseconds(0),
  HOST: z.string().min(1).default('127.0.0.1'),
  XEENET_DATA_DIR: z
    .string()
    .min(1)
    .default(() => join(envPaths('xeenet', { suffix: '' }).data, 'server')),
  XEENET_SECRET_FILE: z.string().min(1).optional(),
  /** Files go to this bucket of S3-compatible storage, not to the data directory; all processes of a server share it. */
  XEENET_S3_URL: z
    .string()
    .regex(BUCKET_URL)
    .optional()
    .describe('an address such as https://s3.example.org/bucket, or https://s3.example.org/bucket/prefix'),
  XEENET_S3_REGION: z.string().min(1).default('us-east-1'),
  XEENET_S3_ACCESS_KEY: z.string().min(1).optional(),
  XEENET_S3_SECRET_KEY: z.string().min(1).optional(),
  /** What copies of the bucket's files may take in the data directory. */
  XEENET_S3_CACHE_MIB: number(4_096),
  XEENET_PUBLIC_URL: z
    .url({ protocol: /^https?$/ })
    .optional()
    .describe('an address such as https://xeenet.example.org'),
  XEENET_LOG_LEVEL: z.enum(LOG_LEVELS).default('info').describe(oneOf(LOG_LEVELS)),
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
  XEENET_PAIR_MS: milliseconds(60_000),
  XEENET_STARVE_MS: milliseconds(600_000),
  XEENET_RETRY_MIN_MS: milliseconds(1_000),
  /** Networks beside the public ones that webhooks may lead to, for receivers on the operator's own. */
  XEENET_WEBHOOK_NETWORKS: networks(''),
  /** PEM certificates of authorities that receivers of webhooks may have theirs from, beside the usual ones. */
  XEENET_WEBHOOK_CA_FILE: z.string().min(1).optional(),
  XEENET_ROLES: z
    .string()
    .default(Role.options.join(','))
    .transform(list)
    .pipe(z.array(Role).min(1))
    .describe(`some of ${Role.options.join(', ')}`),
  /** Networks whose anonymous hosts do not count as one owner. */
  XEENET_SHARED_PREFIXES: networks('127.0.0.0/8,::1/128'),
  /** Proxies whose X-Forwarded-For is believed; none by default. */
  XEENET_TRUSTED_PROXIES: z
    .string()
    .default('')
    .transform(list)
    .pipe(z.array(proxy))
    .describe('addresses or networks, separated by commas'),
  /** Enrolments and other calls without a token that one address may make in a minute. */
  XEENET_ANONYMOUS_PER_MINUTE: number(30),
  /** Signed calls of one host in a minute. One that works calls every few seconds, with short runs several times a second. */
  XEENET_HOST_PER_MINUTE: number(1_200),
  /** Requests that a process has in hand; more are asked to come back. */
  XEENET_IN_FLIGHT_MAX: number(1_000),
  /**
   * Hash iterations that enrolling without a token takes on average. Measured: five million a second on a core of 2023, so
   * two seconds; a slow phone takes ten times as long.
   */
  XEENET_ENROL_WORK: number(10_000_000, ENROL_WORK_MIN, ENROL_WORK_MAX),
  /** Enrolments without a token in a minute, all networks and all processes of the server together. */
  XEENET_ENROL_PER_MINUTE: number(120),
  /** The same in a day (UTC) from one network that is not shared. */
  XEENET_ENROL_PER_PREFIX_DAY: number(50),
  /** Who may make an account: anybody, whoever an operator invites, or nobody. */
  XEENET_SIGNUP: SignupPolicy.default('open').describe(oneOf(SignupPolicy.options)),
  /** What an account may do that was made without an invitation: a researcher gets a starter and submits campaigns. */
  XEENET_SIGNUP_ROLE: z
    .enum(['volunteer', 'researcher'])
    .default('volunteer')
    .describe('volunteer or researcher'),
})

type Settings = z.infer<typeof Settings>

/** The names of all settings, as in the environment. */
export const SETTING_NAMES: readonly string[] = Object.keys(Settings.shape)

/** Settings that are fine each and cannot hold together. */
function contradictions(s: Settings): string[] {
  const url = s.XEENET_PUBLIC_URL
  const keys = [s.XEENET_S3_ACCESS_KEY, s.XEENET_S3_SECRET_KEY]
  return [
    ...(s.XEENET_S3_URL !== undefined && keys.includes(undefined)
      ? ['XEENET_S3_URL needs XEENET_S3_ACCESS_KEY and XEENET_S3_SECRET_KEY.']
      : []),
    ...(s.XEENET_S3_URL === undefined && keys.some(key => key !== undefined)
      ? ['XEENET_S3_ACCESS_KEY and XEENET_S3_SECRET_KEY are given without an XEENET_S3_URL.']
      : []),
    ...(url !== undefined && new URL(url).pathname !== '/'
      ? ['XEENET_PUBLIC_URL names a path: the server answers at the root of an address only.']
      : []),
    ...(s.XEENET_HEALTH_PORT !== undefined && s.XEENET_HEALTH_PORT !== 0 && s.XEENET_HEALTH_PORT === s.PORT
      ? ['XEENET_HEALTH_PORT is the PORT: two processes with different roles cannot share one.']
      : []),
  ]
}

/** Everything the server can be told, parsed once. */
export interface Config {
  readonly databaseUrl: string | undefined // undefined: the embedded one
  readonly postgresBin: string | undefined
  readonly port: number // 0: any free one
  readonly lingerMs: number
  readonly healthPort: number | undefined // of a process without the role http; undefined: none
  readonly host: string
  readonly dataDir: string
  readonly secretFile: string
  readonly s3: BucketPlace | undefined // undefined: files are in the data directory
  readonly s3CacheBytes: number
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
  readonly hostPerMinute: number
  readonly inFlightMax: number
  readonly enrolWork: number
  readonly perMinute: number // enrolments without a token
  readonly perPrefixDay: number
  readonly signup: SignupPolicy
  readonly signupRole: 'volunteer' | 'researcher'
}

/** Reads the settings: flags over the environment over the file over defaults. Throws `ConfigError` that names every mistake. */
export function readConfig(
  environment: Readonly<Record<string, string | undefined>>,
  args: readonly string[] = [],
): Config {
  const given = gather({ names: SETTING_NAMES, environment, args })
  const parsed = Settings.safeParse(given.values)
  const shape: Readonly<Record<string, z.ZodType>> = Settings.shape
  const refused = parsed.success ? [] : sentencesOf(parsed.error, given, name => shape[name]?.description)
  const contradictory = parsed.success ? contradictions(parsed.data) : []
  const mistakes = [...given.mistakes, ...refused, ...contradictory]
  if (!parsed.success || mistakes.length > 0) throw new ConfigError(mistakes.join('\n  '))
  const s = parsed.data
  return {
    databaseUrl: s.DATABASE_URL,
    postgresBin: s.XEENET_POSTGRES_BIN,
    port: s.PORT,
    lingerMs: s.XEENET_LINGER_MS,
    healthPort: s.XEENET_HEALTH_PORT,
    host: s.HOST,
    dataDir: s.XEENET_DATA_DIR,
    secretFile: s.XEENET_SECRET_FILE ?? join(s.XEENET_DATA_DIR, 'secrets', 'server.secret'),
    s3: bucketOf(s),
    s3CacheBytes: s.XEENET_S3_CACHE_MIB * 1024 * 1024,
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
    hostPerMinute: s.XEENET_HOST_PER_MINUTE,
    inFlightMax: s.XEENET_IN_FLIGHT_MAX,
    enrolWork: s.XEENET_ENROL_WORK,
    perMinute: s.XEENET_ENROL_PER_MINUTE,
    perPrefixDay: s.XEENET_ENROL_PER_PREFIX_DAY,
    signup: s.XEENET_SIGNUP,
    signupRole: s.XEENET_SIGNUP_ROLE,
  }
}

function bucketOf(s: Settings): BucketPlace | undefined {
  const [, endpoint, bucket, prefix = ''] = BUCKET_URL.exec(s.XEENET_S3_URL ?? '') ?? []
  if (endpoint === undefined || bucket === undefined) return undefined
  return {
    ...{ endpoint, bucket, prefix: prefix === '' ? '' : `${prefix}/`, region: s.XEENET_S3_REGION },
    accessKey: s.XEENET_S3_ACCESS_KEY ?? '',
    secretKey: s.XEENET_S3_SECRET_KEY ?? '',
  }
}

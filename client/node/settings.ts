import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import envPaths from 'env-paths'
import { parse, stringify, TomlError } from 'smol-toml'
import { z } from 'zod'
import { EngineClass } from '#protocol/engine.ts'
import { parseHours } from '#runtime/hours.ts'
import { PRESET_NAMES } from '#runtime/snapshot.ts'
import { coresOf } from './cores.ts'
import { ENGINE_CHOICES } from './engine.ts'
import { isMissing } from './files.ts'

/** What `xeenet config` keeps: what flags say over what the environment says over this. Nothing in it is secret. */
export const SETTINGS_FILE =
  process.env.XEENET_CONFIG ?? join(envPaths('xeenet', { suffix: '' }).config, 'config.toml')

const Hours = z.string().refine(text => parseHours(text) !== undefined, 'expected for example 22:00-07:00')
// Which numbers make sense depends on the machine; the form does not.
const Cores = z.union([z.int().min(1), z.string()]).transform(String)

/** Keys of the file, each named as its flag. */
export const Settings = z.strictObject({
  server: z.url({ protocol: /^https?$/, error: 'expected an http(s) address' }).optional(),
  token_file: z.string().min(1).optional(),
  name: z.string().trim().min(1).max(60).optional(),
  preset: z.enum(PRESET_NAMES).optional(),
  cores: Cores.refine(
    text => coresOf(text, 64) !== undefined,
    'expected a number, 50%, MAX or MAX-1',
  ).optional(),
  share: z.number().gt(0).max(1).optional(),
  engine: z.enum(ENGINE_CHOICES).optional(),
  engines: z
    .string()
    .refine(
      text => text === 'auto' || z.array(EngineClass).safeParse(text.split(',')).success,
      `expected auto, or some of ${EngineClass.options.join(',')}`,
    )
    .optional(),
  gpu: z.enum(['auto', 'none']).optional(),
  on_battery: z.boolean().optional(),
  schedule: Hours.optional(),
  quiet_hours: Hours.optional(),
  key_fingerprint: z
    .string()
    .regex(/^[0-9a-f]{64}$/, 'expected 64 hexadecimal digits')
    .optional(),
  state_dir: z.string().min(1).optional(),
  cache_dir: z.string().min(1).optional(),
})
export type Settings = z.infer<typeof Settings>
export type SettingName = keyof Settings

export const SETTING_NAMES = Settings.keyof().options

/** The variables that say some of it, and win. */
export const VARIABLES: Partial<Record<SettingName, string>> = {
  server: 'XEENET_SERVER',
  token_file: 'XEENET_TOKEN_FILE',
  engines: 'XEENET_ENGINES',
}

type ReadSettings =
  | { readonly ok: true; readonly settings: Settings }
  | { readonly ok: false; readonly fault: string }

/** What a text of TOML says, or what is wrong with it and where. */
export function readSettings(text: string): ReadSettings {
  try {
    const parsed = Settings.safeParse(parse(text))
    return parsed.success
      ? { ok: true, settings: parsed.data }
      : { ok: false, fault: z.prettifyError(parsed.error) }
  } catch (error) {
    if (!(error instanceof TomlError)) throw error
    return { ok: false, fault: `line ${error.line}: ${error.message.split('\n')[0]}` }
  }
}

let known: ReadSettings | undefined

/** What is in the file, read once; an empty one when there is none. */
export const settingsInFile = (): ReadSettings => (known ??= readSettings(textOfSettings()))

export function textOfSettings(): string {
  try {
    return readFileSync(SETTINGS_FILE, 'utf8')
  } catch (error) {
    if (isMissing(error)) return ''
    throw error
  }
}

/** What an option is when no flag says it: the environment's word, else the file's, else undefined. */
export function setting<Name extends SettingName>(name: Name): Settings[Name] | string | undefined {
  const variable = VARIABLES[name]
  const said = variable === undefined ? undefined : process.env[variable]
  if (said !== undefined) return said
  const read = settingsInFile()
  return read.ok ? read.settings[name] : undefined
}

/**
 * The same text with one key set, or without it when `value` is undefined. Comments and everything else stay as they are. The
 * value is what TOML makes of the words, and otherwise the words themselves.
 */
export function withSetting(text: string, name: SettingName, value: string | undefined): string {
  const lines = text === '' ? [] : text.replace(/\n$/, '').split('\n')
  const at = lines.findIndex(line => new RegExp(`^\\s*"?${name}"?\\s*=`).test(line))
  const line = value === undefined ? [] : [stringify({ [name]: meant(name, value) }).trim()]
  if (at >= 0) lines.splice(at, 1, ...line)
  else lines.push(...line)
  return lines.length === 0 ? '' : `${lines.join('\n')}\n`
}

/** Words of a command line as the type that the key has. */
function meant(name: SettingName, words: string): string | number | boolean {
  if (name === 'on_battery' && /^(true|false)$/.test(words)) return words === 'true'
  if (name === 'share' && words.trim() !== '' && Number.isFinite(Number(words))) return Number(words)
  return words
}

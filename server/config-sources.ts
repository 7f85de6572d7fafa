import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { parseDocument } from 'yaml'
import { z } from 'zod'

/** A setting that cannot be used; the message has a sentence for each mistake, and each names the setting. */
export class ConfigError extends Error {
  readonly code = 'config_invalid'
  readonly hint =
    'Settings come from flags such as --port 8080, the environment, and the file of --config or XEENET_CONFIG.'
}

/** Where a value was given, for the sentence about it. */
type Source = 'a flag' | 'the environment' | 'the file'

export interface Given {
  readonly values: Readonly<Record<string, string>>
  readonly sources: Readonly<Record<string, Source>>
  /** What is wrong already: unknown flags, a file that cannot be read, keys that mean nothing. */
  readonly mistakes: readonly string[]
}

export interface Asked {
  readonly names: readonly string[] // of all settings
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly args: readonly string[]
}

/** Values by name: flags over the environment over the file. Throws nothing. */
export function gather({ names, environment, args }: Asked): Given {
  const flags = readFlags(names, args)
  const fromEnvironment = Object.fromEntries(
    names.flatMap(name => {
      const value = environment[name]
      return value === undefined || value === '' ? [] : [[name, value]] // empty is how shells and unit files say "not set"
    }),
  )
  const file = flags.values.XEENET_CONFIG ?? fromEnvironment.XEENET_CONFIG
  const read = file === undefined ? NOTHING : readFile(names, file)
  const sourced = (source: Source, values: object) =>
    Object.fromEntries(Object.keys(values).map(name => [name, source]))
  return {
    values: { ...read.values, ...fromEnvironment, ...flags.values },
    sources: {
      ...sourced('the file', read.values),
      ...sourced('the environment', fromEnvironment),
      ...sourced('a flag', flags.values),
    },
    mistakes: [...flags.mistakes, ...read.mistakes],
  }
}

interface Read {
  readonly values: Readonly<Record<string, string>>
  readonly mistakes: readonly string[]
}
const NOTHING: Read = { values: {}, mistakes: [] }

/** The flag of a setting: its name without XEENET_, in kebab case. */
export const flagOf = (setting: string): string => keyOf(setting).replaceAll('_', '-')

/** The key of a setting in a file: the same in snake case. */
const keyOf = (setting: string): string => setting.replace(/^XEENET_/, '').toLowerCase()

function readFlags(names: readonly string[], args: readonly string[]): Read {
  const options = Object.fromEntries(names.map(name => [flagOf(name), { type: 'string' as const }]))
  try {
    const { values } = parseArgs({ args: [...args], options, allowPositionals: false })
    const given = names.flatMap(name => {
      const value = values[flagOf(name)]
      return value === undefined ? [] : [[name, String(value)] as const]
    })
    return { values: Object.fromEntries(given), mistakes: [] }
  } catch (error) {
    return { values: {}, mistakes: [error instanceof Error ? error.message : String(error)] }
  }
}

const Scalar = z.union([z.string(), z.number(), z.boolean()]).transform(String)
const FileValue = z.union([Scalar, z.array(Scalar).transform(items => items.join(','))])

/** A flat YAML file of keys and scalars or lists of them. */
function readFile(names: readonly string[], path: string): Read {
  try {
    const document = parseDocument(readFileSync(path, 'utf8'), { prettyErrors: true })
    if (document.errors.length > 0) return wrong(document.errors.map(error => `${path}: ${error.message}`))
    const content: unknown = document.toJS({ maxAliasCount: 0 }) ?? {}
    const parsed = z.record(z.string(), z.unknown()).safeParse(content)
    if (!parsed.success) return wrong([`${path} is no mapping of settings such as "port: 7316".`])
    return readKeys(names, path, parsed.data)
  } catch (error) {
    return wrong([`${path} cannot be read: ${error instanceof Error ? error.message : error}.`])
  }
}

const wrong = (mistakes: readonly string[]): Read => ({ values: {}, mistakes })

function readKeys(names: readonly string[], path: string, content: Readonly<Record<string, unknown>>): Read {
  const values: Record<string, string> = {}
  const mistakes: string[] = []
  const byKey = new Map(names.filter(name => name !== 'XEENET_CONFIG').map(name => [keyOf(name), name]))
  for (const [key, value] of Object.entries(content)) {
    const name = byKey.get(key)
    const parsed = FileValue.safeParse(value)
    if (name === undefined) mistakes.push(`${path}: there is no setting ${key}${suggestion(key, byKey)}.`)
    else if (value === null)
      continue // a key without a value is not set
    else if (parsed.success) values[name] = parsed.data
    else mistakes.push(`${path}: ${key} is neither a value nor a list of values.`)
  }
  return { values, mistakes }
}

function suggestion(key: string, known: ReadonlyMap<string, string>): string {
  const plain = (text: string): string => text.toLowerCase().replaceAll(/xeenet|[^a-z]/g, '')
  const near = [...known.keys()].find(name => plain(name) === plain(key))
  return near === undefined ? '' : `; ${near} is meant`
}

// What stands in them is nobody's business who reads a log.
const SECRET = /URL|KEY|SECRET/

/** A sentence for each setting that its schema refuses. */
export function sentencesOf(
  error: z.ZodError,
  { values, sources }: Given,
  describe: (name: string) => string | undefined,
): string[] {
  const names = [...new Set(error.issues.map(issue => String(issue.path[0] ?? '')))]
  return names.map(name => {
    const expected = describe(name) ?? error.issues.find(issue => issue.path[0] === name)?.message
    const value = SECRET.test(name) ? 'what is given' : JSON.stringify(values[name])
    const where = sources[name] === undefined ? '' : ` (from ${sources[name]})`
    return `${name} cannot be ${value}${where}: it takes ${expected}.`
  })
}

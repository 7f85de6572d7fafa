import { mkdir } from 'node:fs/promises'
import { basename, join, relative, resolve } from 'node:path'
import { type Command, Option } from 'commander'
import { z } from 'zod'
import { usage } from '#client/node/failure.ts'
import { writeDurably } from '#client/node/files.ts'
import { options, withJson } from '#client/node/options.ts'
import { openTalk, type Talk } from '#client/node/talk.ts'
import { sha256 } from '#protocol/canonical.ts'
import { KernelManifest } from '#protocol/kernel.ts'
import type { Sha256 } from '#protocol/units.ts'
import { type CheckedProject, checkProject, manifestText, packProject } from './check.ts'
import { buildProject } from './project.ts'
import { templateOf, writeTemplate } from './template.ts'

/** Where a project's products go, below its folder. */
const BUILD = 'build'

/** new, build, check, pack: everything that needs no server. */
export function addAuthorVerbs(root: Command): void {
  const make = withJson(root.command('new <name>').description('a small kernel that works, to begin with'))
    .addOption(new Option('--language <language>').choices(['assemblyscript', 'c']).default('assemblyscript'))
    .option('--directory <dir>', 'where; by default a new folder of that name')
  make.action((name: string) => create(make, name))
  verb(root, 'build [directory]', 'compile, admit and meter', build)
  verb(root, 'check [directory]', 'build, and run it in every way that a host might', check)
  verb(root, 'pack [directory]', 'check, and make its release', pack)
}

type Action = (talk: Talk, directory: string) => Promise<void>

function verb(root: Command, words: string, description: string, action: Action): void {
  const command = withJson(root.command(words).description(description))
  command.action((directory = '.') => action(talkOf(command), directory))
}

const talkOf = (command: Command): Talk =>
  openTalk(options(z.object({ json: z.boolean().default(false) }), command).json)

const NewOptions = z.object({
  language: z.enum(['assemblyscript', 'c']),
  directory: z.string().optional(),
})

async function create(command: Command, name: string): Promise<void> {
  const talk = talkOf(command)
  const { language, directory = name } = options(NewOptions, command)
  if (!KernelManifest.shape.name.safeParse(name).success)
    throw usage(`${name}: a name is of a-z, 0-9 and -, begins with a letter, and has at most 40 characters`)
  const files = await templateOf(name, language)
  await writeTemplate(directory, files).catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST')
      throw usage(`${directory} exists already`, 'Choose another with --directory.')
    throw error
  })
  const written = [...files.keys()].map(path => join(directory, path))
  if (talk.json) return talk.data(JSON.stringify({ kernel: name, language, files: written }))
  talk.data(written.join('\n'))
  talk.say(`Next: xeenet kernel check ${directory}`)
}

async function build(talk: Talk, directory: string): Promise<void> {
  const { manifest, module, source } = await buildProject(directory)
  await write(directory, 'module.wasm', module)
  const moduleSha256 = await sha256(module)
  const kernel = `${manifest.name}@${manifest.version}`
  const unmetered = [...source].find(([path]) => path.endsWith('.wasm'))?.[1].length ?? 0
  if (talk.json) return talk.data(JSON.stringify({ kernel, moduleSha256, bytes: module.length }))
  talk.data(
    `${kernel} is admitted: ${module.length} bytes (${unmetered} before metering), module ${moduleSha256}`,
  )
}

async function check(talk: Talk, directory: string): Promise<void> {
  const project = await checkProject(directory)
  await keep(directory, project)
  const facts = await factsOf(project)
  if (talk.json) return talk.data(JSON.stringify(facts))
  talk.data(lines(facts).join('\n'))
}

async function pack(talk: Talk, directory: string): Promise<void> {
  const { file, bytes, releaseSha256, facts } = await packed(directory)
  if (talk.json) return talk.data(JSON.stringify({ ...facts, file, bytes: bytes.length, releaseSha256 }))
  talk.say(lines(facts).join('\n'))
  talk.data(file)
  talk.say(`${bytes.length} bytes, release ${releaseSha256}\nNext: xeenet kernel submit ${directory}`)
}

interface Packed {
  readonly file: string
  readonly bytes: Uint8Array
  readonly releaseSha256: Sha256
  readonly facts: Facts
}

/** Checks the project in a folder and writes its release below it. */
export async function packed(directory: string): Promise<Packed> {
  const project = await checkProject(directory)
  await keep(directory, project)
  const { bytes, sha256: releaseSha256 } = await packProject(project)
  const { name, version } = project.whole
  const file = await write(directory, `${name}@${version}.tar`, bytes)
  return { file, bytes, releaseSha256, facts: await factsOf(project) }
}

async function keep(directory: string, { whole, module }: CheckedProject): Promise<void> {
  await write(directory, 'module.wasm', module)
  await write(directory, 'manifest.json', manifestText(whole))
}

async function write(directory: string, name: string, content: Uint8Array | string): Promise<string> {
  await mkdir(join(directory, BUILD), { recursive: true })
  const file = join(directory, BUILD, name)
  await writeDurably(file, content, 0o644)
  return relative('.', resolve(file)) || basename(file)
}

type Facts = Awaited<ReturnType<typeof factsOf>>

async function factsOf({ whole, module, checked }: CheckedProject) {
  return {
    kernel: `${whole.name}@${whole.version}`,
    moduleSha256: await sha256(module),
    compiler: whole.source?.compiler ?? '',
    ...checked,
  }
}

const lines = ({ kernel, moduleSha256, compiler, digest, engines, ends, stepFuelMax }: Facts): string[] => [
  `${kernel} is fit: module ${moduleSha256}`,
  `compiled by ${compiler}; self-test ${digest} in: ${engines.join(', ')}`,
  `random recipes: ${Object.entries(ends)
    .map(([status, n]) => `${n} ${status}`)
    .join(', ')}; longest step ${stepFuelMax} instructions`,
]

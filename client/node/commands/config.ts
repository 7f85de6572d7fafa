import { spawnSync } from 'node:child_process'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { Command } from 'commander'
import { usage } from '../failure.ts'
import { writeDurably } from '../files.ts'
import { withJson } from '../options.ts'
import {
  readSettings,
  SETTING_NAMES,
  SETTINGS_FILE,
  type SettingName,
  settingsInFile,
  textOfSettings,
  VARIABLES,
  withSetting,
} from '../settings.ts'
import { openTalk } from '../talk.ts'

/** `xeenet config`: what flags need not say each time. */
export function configCommand(): Command {
  const command = new Command('config').description(
    'settings that flags need not say each time; flags win, then the environment, then this file',
  )
  command
    .addCommand(
      withJson(new Command('get')).argument('[key]').description('what is set, and where').action(get),
    )
    .addCommand(
      new Command('set')
        .argument('<key>', SETTING_NAMES.join(', '))
        .argument('[value]', 'left out: the key is taken away')
        .description('set one key; nothing is saved that does not hold')
        .action(set),
    )
    .addCommand(
      new Command('path').description('where the file is').action(() => openTalk(false).data(SETTINGS_FILE)),
    )
    .addCommand(
      new Command('edit')
        .description('open the file in $VISUAL or $EDITOR; saved when it holds')
        .action(edit),
    )
  return command
}

function get(key: string | undefined, { json = false }: { json?: boolean }): void {
  const talk = openTalk(json)
  const read = settingsInFile()
  if (!read.ok) throw damaged(SETTINGS_FILE, read.fault)
  const names = key === undefined ? SETTING_NAMES : [nameOf(key)]
  const rows = names.flatMap(name => {
    const variable = VARIABLES[name]
    const said = variable === undefined ? undefined : process.env[variable]
    const value = said ?? read.settings[name]
    return value === undefined
      ? []
      : [{ key: name, value, from: said === undefined ? SETTINGS_FILE : variable }]
  })
  if (json) talk.data(JSON.stringify(rows))
  else
    for (const { key: name, value, from } of rows)
      talk.data(key === undefined ? `${name} = ${JSON.stringify(value)}  # ${from}` : String(value))
}

async function set(key: string, value: string | undefined): Promise<void> {
  await save(withSetting(textOfSettings(), nameOf(key), value))
}

async function edit(): Promise<void> {
  const editor = process.env.VISUAL || process.env.EDITOR
  if (editor === undefined || editor === '')
    throw usage('no editor is named', `Set $VISUAL or $EDITOR, or edit ${SETTINGS_FILE} yourself.`)
  await mkdir(dirname(SETTINGS_FILE), { recursive: true, mode: 0o700 })
  const draft = `${SETTINGS_FILE}.draft`
  // What an earlier attempt left unsaved goes on.
  const begun = await readFile(draft, 'utf8').catch(() => undefined)
  if (begun === undefined) await writeFile(draft, textOfSettings(), { mode: 0o600 })
  const [program = '', ...args] = editor.split(' ')
  const { status, error } = spawnSync(program, [...args, draft], { stdio: 'inherit' })
  if (error !== undefined || status !== 0)
    throw usage(`${editor} ended with ${error?.message ?? `status ${status}`}`, `The draft is in ${draft}.`)
  await save(await readFile(draft, 'utf8'), draft)
  await rm(draft, { force: true })
}

/** Replaces the file by a text that holds, and by no other. */
async function save(text: string, draft?: string): Promise<void> {
  const read = readSettings(text)
  if (!read.ok) throw damaged(draft ?? SETTINGS_FILE, read.fault)
  await mkdir(dirname(SETTINGS_FILE), { recursive: true, mode: 0o700 })
  await writeDurably(SETTINGS_FILE, text)
}

const damaged = (file: string, fault: string): Error =>
  usage(`${file}: ${fault}`, 'Nothing was saved. xeenet config edit opens it.')

function nameOf(key: string): SettingName {
  const name = SETTING_NAMES.find(known => known === key.replaceAll('-', '_'))
  if (name === undefined)
    throw usage(`${key}: there is no such setting`, `There are ${SETTING_NAMES.join(', ')}.`)
  return name
}

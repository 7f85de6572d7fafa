import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { Command } from 'commander'
import { EXIT } from '#runtime/exit-codes.ts'
import { Failure } from '../failure.ts'

export const SERVER_DIRECTORY = join(import.meta.dirname, '..', '..', '..', 'server')

/** `xeenet admin …`: the operator's command, which lives with the server; everything is passed on. */
export const adminCommand = (done: (exit: number) => void): Command =>
  passedOn('admin', 'users, tokens, kernels and data sets, on the machine that has the data directory', done)

/** `xeenet dataset …` is `xeenet admin dataset …`. */
export const datasetCommand = (done: (exit: number) => void): Command =>
  passedOn(
    'dataset',
    'import and list data sets, on the machine that has the data directory',
    done,
    'dataset',
  )

function passedOn(
  name: string,
  description: string,
  done: (exit: number) => void,
  ...first: readonly string[]
): Command {
  return new Command(name)
    .description(description)
    .argument('[words...]')
    .helpOption(false)
    .allowUnknownOption()
    .passThroughOptions()
    .action(async (words: readonly string[]) => done(await runAdmin([...first, ...words])))
}

async function runAdmin(words: readonly string[]): Promise<number> {
  const script = join(SERVER_DIRECTORY, 'admin.ts')
  if (!existsSync(script))
    throw new Failure(EXIT.failure, 'server_missing', { what: 'this installation has no server part' })
  const child = spawn(process.execPath, [script, ...words], { stdio: 'inherit' })
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', code => resolve(code ?? EXIT.failure))
  })
}

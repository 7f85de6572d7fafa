import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { Command } from 'commander'
import { EXIT } from '#runtime/exit-codes.ts'
import { Failure } from '../failure.ts'

const ROOT = join(import.meta.dirname, '..', '..', '..')

/** The script of a command that lives in another part of the installation. */
interface Elsewhere {
  readonly script: string // from the root
  readonly part: string // what is missing when the script is
  /** Put before what the user says. */
  readonly first?: readonly string[]
}

/** A command that passes everything on to another program of ours, whose exit status is its own. */
export const passedOn = (
  name: string,
  description: string,
  done: (exit: number) => void,
  elsewhere: Elsewhere,
): Command =>
  new Command(name)
    .description(description)
    .argument('[words...]')
    .helpOption(false)
    .allowUnknownOption()
    .passThroughOptions()
    .action(async (words: readonly string[]) => done(await run(elsewhere, words)))

async function run({ script, part, first = [] }: Elsewhere, words: readonly string[]): Promise<number> {
  const file = join(ROOT, script)
  if (!existsSync(file))
    throw new Failure(EXIT.failure, `${part}_missing`, { what: `this installation has no ${part} part` })
  const child = spawn(process.execPath, [file, ...first, ...words], { stdio: 'inherit' })
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', code => resolve(code ?? EXIT.failure))
  })
}

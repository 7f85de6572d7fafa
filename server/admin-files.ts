import { access } from 'node:fs/promises'
import type { Command } from 'commander'
import { openBlobs } from '#store/blobs.ts'
import { run, type Shared, verb } from './admin-verbs.ts'
import { copyFiles, openFiles } from './files.ts'
import { withDatabase } from './operator.ts'

/** `xeenet admin files`: where kernels, data and weights are kept. */
export function addFileVerbs(root: Command): void {
  const files = root.command('files').description('where kernels, data and weights are kept')
  verb(
    files,
    'copy <directory>',
    'copy the files that this server knows and lacks, from the directory `files` of a data directory',
  ).action((directory: string, options: Shared) =>
    run(options, async ({ config, log }) => {
      await access(directory)
      const [from, to] = [await openBlobs(directory), await openFiles(config)]
      const copied = await withDatabase(config, log, knex => copyFiles(knex, { from, to }))
      const line = `${copied.copied} copied, ${copied.there} were there, ${copied.missing} are in neither place`
      return { json: copied, lines: [line], ok: copied.missing === 0 }
    }),
  )
}

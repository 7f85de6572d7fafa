import { join } from 'node:path'
import type { Command } from 'commander'
import { passedOn } from './elsewhere.ts'

export const SERVER_DIRECTORY = join(import.meta.dirname, '..', '..', '..', 'server')

const ADMIN = { script: join('server', 'admin.ts'), part: 'server' }

/** `xeenet admin …`: the operator's command, which lives with the server; everything is passed on. */
export const adminCommand = (done: (exit: number) => void): Command =>
  passedOn(
    'admin',
    'users, tokens, kernels and data sets, on the machine that has the data directory',
    done,
    ADMIN,
  )

/** `xeenet dataset …` is `xeenet admin dataset …`. */
export const datasetCommand = (done: (exit: number) => void): Command =>
  passedOn('dataset', 'import and list data sets, on the machine that has the data directory', done, {
    ...ADMIN,
    first: ['dataset'],
  })

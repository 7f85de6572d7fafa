import { join } from 'node:path'
import type { Command } from 'commander'
import { passedOn } from './elsewhere.ts'

/** `xeenet kernel …`: the tools of kernel authors and of those who sign, which live with the developers' commands. */
export const kernelCommand = (done: (exit: number) => void): Command =>
  passedOn('kernel', 'write, check and propose a kernel; sign what others propose', done, {
    script: join('ops', 'kernel.ts'),
    part: 'ops',
  })

// A volunteer that trains honestly and says that its weights are 0.02 bits better than they are. Its first argument names a file: until
// that is there it computes nothing, so that a test can see to it that others have their share of the work.

import { existsSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { lying } from '#ops/demo/lie.ts'
import type { Compute } from '#runtime/volunteer.ts'
import { runProgram } from '../../client/node/program.ts'

const [hold = '', ...args] = process.argv.slice(2)
const lie = lying({ told: metric => metric - 0.02 })
const wrapCompute = (honest: Compute): Compute => {
  const compute = lie(honest)
  return async (...given) => {
    while (!existsSync(hold)) await sleep(20)
    return compute(...given)
  }
}
process.exitCode = await runProgram(['up', ...args], { wrapCompute })

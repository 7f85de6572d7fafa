// A volunteer that behaves for thirty results, and then claims a record that it did not compute.

import { lying } from '#ops/demo/lie.ts'
import { runProgram } from '../../client/node/program.ts'

const wrapCompute = lying({ honestRuns: 30, told: metric => metric * 0.6 })
process.exitCode = await runProgram(['up', ...process.argv.slice(2)], { wrapCompute })

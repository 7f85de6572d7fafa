import { runProgram } from '../../client/node/program.ts'
import { lying } from './lie.ts'

process.exitCode = await runProgram(['up', ...process.argv.slice(2)], { wrapCompute: lying() })

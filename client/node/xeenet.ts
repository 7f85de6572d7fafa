#!/usr/bin/env node
import { runProgram } from './program.ts'

const exit = await runProgram(process.argv.slice(2))
// Kept connections and idle threads would hold the process for seconds; what was printed goes out first.
process.stdout.write('', () => process.exit(exit))

/**
 * `npm test`: every project of vitest, then one line alone at the end: `N passed, N failed`.
 * Arguments go to vitest, in one run: `npm test -- --project unit test/domain`.
 */
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { z } from 'zod'

const Summary = z.object({
  numPassedTests: z.int(),
  numFailedTests: z.int(),
  numPendingTests: z.int(),
  numTodoTests: z.int(),
  success: z.boolean(),
})
type Summary = z.infer<typeof Summary>
const NOTHING: Summary = {
  ...{ numPassedTests: 0, numFailedTests: 0, numPendingTests: 0, numTodoTests: 0, success: false },
}

// Processes and browsers wait for each other most of the time, and the files of each half come one after the other: beside the
// half that computes they cost little. Neither half uses anything of the other's, and no test depends on how fast it is.
const HALVES = [
  ['unit', 'db'],
  ['process', 'browser'],
] as const

const root = join(import.meta.dirname, '..')
const build = (program: string): boolean =>
  spawnSync(process.execPath, [program], { cwd: root, stdio: 'inherit' }).status === 0

async function main(): Promise<number> {
  // Before any test, so that no two build at once.
  if (!build('ops/build-kernels.ts') || !build('ops/build-web.ts')) return 1
  const args = process.argv.slice(2)
  const folder = mkdtempSync(join(tmpdir(), 'xeenet-test-'))
  try {
    const runs =
      args.length > 0
        ? [vitest(join(folder, 'all.json'), '', args)]
        : HALVES.map(projects => {
            const chosen = projects.flatMap(project => ['--project', project])
            return vitest(join(folder, `${projects[0]}.json`), `${projects.join(', ')} | `, chosen)
          })
    return conclude(await Promise.all(runs))
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Runs vitest, and prints its lines as they come, each after `prefix`. */
async function vitest(file: string, prefix: string, args: readonly string[]): Promise<Summary> {
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${file}`]
  const command = ['node_modules/vitest/vitest.mjs', 'run', ...reporters, ...args]
  const child = spawn(process.execPath, command, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] })
  for (const stream of [child.stdout, child.stderr])
    createInterface({ input: stream }).on('line', line => console.log(`${prefix}${line}`))
  const status = await new Promise((resolve, reject) => child.on('error', reject).on('close', resolve))
  if (!existsSync(file)) return NOTHING // it died before its end
  const summary = Summary.parse(JSON.parse(readFileSync(file, 'utf8')))
  return { ...summary, success: summary.success && status === 0 }
}

function conclude(summaries: readonly Summary[]): number {
  const sum = (count: (summary: Summary) => number): number =>
    summaries.reduce((total, summary) => total + count(summary), 0)
  const skipped = sum(({ numPendingTests, numTodoTests }) => numPendingTests + numTodoTests)
  // A file that fails to load fails no test: count it, or the line would look green.
  const failed = sum(({ numFailedTests, success }) => Math.max(numFailedTests, success ? 0 : 1))
  if (skipped > 0) console.log(`${skipped} skipped: each says above what this machine lacks`)
  console.log(`${sum(({ numPassedTests }) => numPassedTests)} passed, ${failed} failed`)
  return failed === 0 ? 0 : 1
}

process.exitCode = await main()

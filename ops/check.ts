/** `npm run check`: format and lint, types, layout, unused code. Stops at the first red and names the remedy. */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'

const steps: readonly { name: string; command: readonly string[]; remedy: string }[] = [
  {
    name: 'format and lint',
    command: ['node_modules/@biomejs/biome/bin/biome', 'check', '--error-on-warnings'],
    remedy: 'npx biome check --write',
  },
  { name: 'types', command: ['node_modules/typescript/bin/tsc'], remedy: 'mend the types that are named' },
  {
    name: 'layout',
    command: ['node_modules/vitest/vitest.mjs', 'run', '--project', 'unit', 'test/tidy.test.ts'],
    remedy: 'move the import, split the file: README, "The map"',
  },
  {
    name: 'unused code',
    command: ['node_modules/knip/bin/knip.js', '--no-progress'],
    remedy: 'remove what is named, or use it',
  },
]

for (const { name, command, remedy } of steps) {
  const { status } = spawnSync(process.execPath, command, {
    cwd: join(import.meta.dirname, '..'),
    stdio: 'inherit',
  })
  if (status !== 0) {
    console.error(`check: ${name} is red. To mend it: ${remedy}`)
    process.exit(1)
  }
  console.log(`check: ${name} ok`)
}

import type { Command } from 'commander'
import { type Purged, purge, rehearsePurge } from '#jobs/forget.ts'
import { run, type Shared, verb } from './admin-verbs.ts'
import { systemClock } from './clock.ts'
import { openFiles } from './files.ts'
import { withDatabase } from './operator.ts'

/** `xeenet admin purge`: what the server forgets by itself every ten minutes, now. */
export function addPurgeVerb(root: Command): void {
  verb(root, 'purge', 'forget now what is kept for a time only; nothing that is public is ever forgotten')
    .option('--dry-run', 'count what is due, and change nothing')
    .action((options: Shared & { dryRun?: boolean }) =>
      run(options, async ({ config, log }) => {
        const blobs = await openFiles(config)
        const isDry = options.dryRun === true
        const policies = await withDatabase(config, log, knex => {
          const deps = { knex, blobs, now: systemClock }
          return isDry ? rehearsePurge(deps) : purge(deps)
        })
        const rows = policies.reduce((sum, policy) => sum + policy.rows, 0)
        const last = isDry ? `${rows} are due; nothing has changed` : `${rows} are gone`
        return { json: { dryRun: isDry, rows, policies }, lines: [...policies.map(lineOf), last] }
      }),
    )
}

const HOUR_MS = 3600_000

function lineOf({ what, keptMs, rows, more }: Purged): string {
  const hours = keptMs / HOUR_MS
  const kept = keptMs === 0 ? '' : hours > 48 ? ` (kept ${hours / 24} days)` : ` (kept ${hours} hours)`
  return `${String(rows).padStart(8)}${more ? '+' : ' '} ${what}${kept}`
}

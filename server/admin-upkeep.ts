import type { Command } from 'commander'
import { checkLine } from '#protocol/check.ts'
import { openDatabase } from '#store/database.ts'
import { isReady } from '#store/settings.ts'
import { run, type Shared, verb } from './admin-verbs.ts'
import { systemClock } from './clock.ts'
import type { Config } from './config.ts'
import { examineServer } from './doctor.ts'
import { findRunning } from './running.ts'

/** `xeenet admin doctor`, `backup`, `restore`: what keeps a server well. */
export function addServerVerbs(root: Command): void {
  verb(root, 'doctor', 'what this server needs, one line each, with the remedy; changes nothing').action(
    (options: Shared) =>
      run(options, async ({ config }) => {
        const checks = await examine(config)
        const ok = checks.every(check => check.ok || check.level === 'warn')
        return { json: { checks }, lines: checks.map(checkLine), ok }
      }),
  )
}

/** Looks at the database where there is one that answers; starts none, and migrates none. */
async function examine(config: Config) {
  const connectionString = config.databaseUrl ?? (await findRunning(config.dataDir))?.connectionString
  const about = { config, now: systemClock }
  if (connectionString === undefined)
    return examineServer({ ...about, knex: undefined, why: 'the server does not run' })
  const knex = openDatabase({ connectionString, poolMax: 1, warn: () => undefined })
  try {
    const why = await isReady(knex).then(
      () => undefined,
      (error: unknown) => (error instanceof Error ? error.message : String(error)),
    )
    return await examineServer({ ...about, knex: why === undefined ? knex : undefined, why: why ?? '' })
  } finally {
    await knex.destroy()
  }
}

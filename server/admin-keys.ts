import type { Command } from 'commander'
import { performCounted } from '#operate/act.ts'
import type { SigningKeyList } from '#protocol/kernel.ts'
import { listSigningKeys, viewSigningKeys } from '#store/signing-keys.ts'
import { depsOf, reasoned } from './admin-acts.ts'
import { run, runOnDatabase, type Said, type Shared, verb } from './admin-verbs.ts'
import { systemClock } from './clock.ts'
import { keyKeeper, settleOperatorKey } from './key-rotation.ts'
import { withDatabase } from './operator.ts'
import { adoptNextKey } from './secrets.ts'

/** `xeenet admin key`: by which kernels and blocks of the ledger are signed. */
export function addKeyVerbs(root: Command): void {
  const key = root.command('key').description('the key by which kernels and the ledger are signed')
  verb(key, 'list', 'every key since the first one').action((options: Shared) =>
    runOnDatabase(options, async knex => {
      const view = viewSigningKeys(await listSigningKeys(knex))
      const { keys } = view
      return { json: view, lines: keys.length === 0 ? ['none: start the server once'] : keys.map(lineOf) }
    }),
  )
  reasoned(verb(key, 'rotate', 'sign by a new key from now on; hosts follow by the word of the old one'))
    .addHelpText('after', '\nThe server may run. Killed at any moment, the same command goes on.')
    .action((options: Shared & { reason: string }) =>
      run(options, ({ config, log }) =>
        withDatabase(config, log, async (knex): Promise<Said> => {
          const { dataDir } = config
          const settled = await settleOperatorKey({ knex, dataDir, now: systemClock })
          const { keyId } = settled.key
          if (settled.was === 'completed')
            return {
              json: { keyId, was: settled.was },
              lines: [`${keyId}: the rotation that was cut off is done`],
            }
          const keys = keyKeeper(dataDir)
          const act = { kind: 'rotate_key', keyId: await keys.next() } as const
          const view = await performCounted({ ...depsOf(knex), keys }, { act, reason: options.reason }, 1)
          await adoptNextKey(dataDir)
          const lines = [`${act.keyId} signs now`, `${keyId} signs no more; what it signed stays verifiable`]
          return { json: { keyId: act.keyId, oldKeyId: keyId, actId: view.id, was: 'rotated' }, lines }
        }),
      ),
    )
}

const lineOf = ({ keyId, since, until, successor }: SigningKeyList['keys'][number]): string =>
  `${keyId}  ${since}  ${until ?? 'signs'}${until !== null && successor === null ? '  replaced by hand' : ''}`

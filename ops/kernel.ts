/** `xeenet kernel …`: for the authors of kernels, and for operators who sign them. */
import '#server/node-version.ts'
import { Command, CommanderError } from 'commander'
import { explain } from '#client/node/failure.ts'
import { openTalk } from '#client/node/talk.ts'
import { EXIT } from '#runtime/exit-codes.ts'
import { addAuthorVerbs } from './kernels/author-verbs.ts'
import { addProposalVerbs } from './kernels/proposal-verbs.ts'
import { Unfit } from './kernels/unfit.ts'

const root = new Command('xeenet kernel')
  .exitOverride()
  .description('write a kernel, check it, propose it to a server; sign what others propose')
addAuthorVerbs(root)
addProposalVerbs(root)
for (const command of root.commands) command.exitOverride()

try {
  await root.parseAsync(process.argv)
} catch (error) {
  process.exitCode = exitOf(error)
}
// Kept connections would hold the process for seconds; what was printed goes out first.
process.stdout.write('', () => process.exit())

function exitOf(error: unknown): number {
  const talk = openTalk(process.argv.includes('--json'))
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage
  if (!(error instanceof Unfit)) return explain(error, talk)
  if (talk.json)
    talk.data(JSON.stringify({ v: 1, ev: 'error', code: 'kernel_unfit', reasons: error.reasons }))
  else talk.say(`xeenet: the kernel is not fit\n${error.message}`)
  return EXIT.usage
}

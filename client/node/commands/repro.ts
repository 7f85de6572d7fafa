import { Command } from 'commander'
import { z } from 'zod'
import { ResultView } from '#protocol/campaign.ts'
import { MARKS } from '#protocol/limits.ts'
import { RunReport } from '#protocol/report.ts'
import { ask } from '#runtime/api.ts'
import { EXIT } from '#runtime/exit-codes.ts'
import { runLocally } from '../local-run.ts'
import { contextOf, DEFAULT_CACHE_DIR, options, withServer } from '../options.ts'

/** `xeenet repro ID`: computes a published result again, here, and compares every bit of its report. */
export function reproCommand(done: (exit: number) => void): Command {
  const command = withServer(new Command('repro'))
    .description('re-run a published result on this machine and compare the digest')
    .argument('<id>', 'a result, work unit or experiment')
    .option('--cache-dir <dir>', 'kernels and data, by hash', DEFAULT_CACHE_DIR)
  return command.action(async (id: string) => done(await repro(command, id)))
}

async function repro(command: Command, id: string): Promise<number> {
  const { talk, endpoint } = await contextOf(command)
  const { cacheDir } = options(z.object({ cacheDir: z.string() }), command)
  const path = `/api/v1/results/${encodeURIComponent(id)}`
  const published = await ask(endpoint, ResultView, { method: 'GET', path })
  const { plan } = published
  talk.say(`${published.resultId}: ${plan.kernel.name}@${plan.kernel.version}, run key ${plan.runKey}`)
  let identical = false
  await runLocally([plan], {
    endpoint,
    cacheDir,
    cores: 1,
    onFinished: (_, { report, digest, cpuMs }) => {
      const { engineClass } = published
      identical = digest === published.digest
      if (engineClass !== 'wasm')
        return talk.event(
          'repro',
          {
            result: published.resultId,
            engineClass,
            metric: report.metric,
            published: published.metric,
            cpuMs,
          },
          `the kernel: ${report.metric?.value ?? report.status} here, ${engineClass}: ${published.metric?.value ?? published.status} as published`,
        )
      const theirs = RunReport.safeParse(published.report)
      const parted = identical || !theirs.success ? null : firstDifference(report, theirs.data)
      talk.event(
        'repro',
        {
          result: published.resultId,
          identical,
          digest,
          published: published.digest,
          metric: report.metric,
          firstDifferentMark: parted,
          cpuMs,
        },
        `${identical ? 'identical' : 'DIFFERENT'}: here ${digest}, published ${published.digest}`,
      )
      if (parted !== null) talk.say(markWords(parted))
    },
  })
  if (published.engineClass !== 'wasm') return EXIT.ok // another engine: its bits are never the kernel's
  if (!talk.json) talk.data(identical ? 'identical' : 'different')
  return identical ? EXIT.ok : EXIT.failure
}

/** The first mark (1…8) at which two runs parted; MARKS + 1 when all marks agree and only the rest differs. */
export function firstDifference(a: RunReport, b: RunReport): number {
  const at = Array.from({ length: MARKS }, (_, i) => i).find(i => a.trace[i] !== b.trace[i])
  return (at ?? MARKS) + 1
}

function markWords(mark: number): string {
  if (mark > MARKS) return 'All marks agree: the runs are the same, what was reported about them is not.'
  return `They part before mark ${mark} of ${MARKS}, in the part of the run from ${mark - 1}/${MARKS} to ${mark}/${MARKS} of its budget.`
}

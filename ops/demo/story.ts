import { join } from 'node:path'
import { z } from 'zod'
import type { Grid } from '../grid.ts'
import { type Program, xeenet } from '../process.ts'
import { say } from './narrate.ts'

const Submitted = z.looseObject({ id: z.string() })
const Repro = z.looseObject({ identical: z.boolean() })

/** ada checks her campaign file, then submits it. */
export async function submit(grid: Grid, file: string): Promise<z.infer<typeof Submitted>> {
  const tokenFile = await grid.tokenFile('ada', 'campaign')
  const server = ['--server', grid.url, '--token-file', tokenFile]
  const Valid = z.looseObject({ quote: z.looseObject({ workUnits: z.int(), reserveMilli: z.int() }) })
  const { quote } = await xeenet(['campaign', 'validate', file, ...server], Valid)
  say(`The quote for ${quote.workUnits} work units is ${quote.reserveMilli / 1000} credits, held in escrow.`)
  return xeenet(['campaign', 'submit', file, ...server], Submitted)
}

/** Kills a volunteer in the middle of a run: no goodbye, as when a laptop's battery dies. */
export function crash(volunteer: Program): void {
  volunteer.onEvent(event => {
    if (event.ev !== 'result.progress' || volunteer.child.killed) return
    volunteer.child.kill('SIGKILL')
    say(`${volunteer.name} is killed in the middle of run ${event.result}. The server does not know yet.`)
  })
}

/** Re-runs a published result on this machine, by the ordinary command, and compares the digest. */
export async function replay(grid: Grid, resultId: string, dir: string): Promise<boolean> {
  say(`Anyone may check: xeenet repro ${resultId}`)
  const args = ['repro', resultId, '--server', grid.url, '--cache-dir', join(dir, 'repro')]
  const { identical } = await xeenet(args, Repro)
  say(identical ? 'The same bits on this machine.' : 'The digest differs!')
  return identical
}

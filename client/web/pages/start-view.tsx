import type { ComponentChildren } from 'preact'
import type { Snapshot } from '#runtime/snapshot.ts'
import { useTitle } from '../title.ts'
import { choice } from '../volunteer/choice.ts'
import type { Link } from '../volunteer/link.ts'
import { PRESETS } from '../volunteer/presets.ts'
import { Controls, Ring, wordsFor } from './start-controls.tsx'
import { Mine } from './start-mine.tsx'
import { Running } from './start-run.tsx'
import { HowMuch } from './start-settings.tsx'

/** What differs between a tab and a process of this machine, in sentences. */
export interface Words {
  /** When it stops. */
  readonly ends: string
  readonly before: string
  readonly elsewhere: string
  readonly self: string
  /** Whether its host can be given to an account on this page. */
  readonly savable: boolean
}

interface VolunteeringProps {
  readonly link: Link
  readonly words: Words
  /** What is going on, below the title. */
  readonly intro?: ComponentChildren
  /** More settings. */
  readonly children?: ComponentChildren
}

/** The Start page, of a tab as of a process on this machine. */
export function Volunteering({ link, words, intro, children }: VolunteeringProps) {
  const snapshot = link.volunteering.value
  const on = snapshot !== undefined && snapshot.phase !== 'ended'
  useTitle(titleOf(snapshot))
  return (
    <>
      <h1>Lend idle cores to an open experiment</h1>
      {intro}
      {on ? (
        <On link={link} now={snapshot} words={words} />
      ) : (
        <Off link={link} before={snapshot} words={words} />
      )}
      <HowMuch link={link} on={on} />
      {snapshot !== undefined && <Mine link={link} of={snapshot} self={words.self} savable={words.savable} />}
      <Explained />
      {children}
    </>
  )
}

// A quarter, a half, three quarters: the shape says it where a tab shows no more than its first letters.
const MOONS = '○◔◑◕●'

/** `(12) ◑ 47 %`: what is valid, and how far the run is. */
function titleOf(snapshot: Snapshot | undefined): string {
  if (snapshot === undefined) return 'Start'
  const valid = snapshot.computed.filter(one => one.fate === 'valid').length
  const badge = valid === 0 ? '' : `(${valid}) `
  const run = snapshot.runs[0]
  if (snapshot.phase === 'ended') return `${badge}Start`
  if (snapshot.mode?.mode === 'paused') return `${badge}‖ paused`
  if (run === undefined) return `${badge}○ waiting`
  return `${badge}${MOONS[Math.floor(run.fraction * 4)]} ${Math.round(run.fraction * 100)} %`
}

function Off({ link, before, words }: { link: Link; before: Snapshot | undefined; words: Words }) {
  const why = link.obstacle()
  const machine = link.machine()
  const cores = PRESETS[choice.value.preset].cores(machine)
  return (
    <>
      {before?.trouble != null && (
        <p class="notice bad" role="alert">
          It stopped: {before.trouble}
        </p>
      )}
      {why !== undefined && <p class="notice">{why}</p>}
      <p>
        <button
          type="button"
          class="primary big"
          disabled={why !== undefined || link.mine.value}
          onClick={() => link.start(choice.value)}
        >
          Start
        </button>
      </p>
      <p>
        Uses {cores} of {machine.cores} cores, about 5 to 15 watts each (an estimate). {words.ends}{' '}
        {words.before}
      </p>
    </>
  )
}

function On({ link, now, words }: { link: Link; now: Snapshot; words: Words }) {
  const machine = link.machine()
  return (
    <>
      <div class="row hero">
        <Ring runs={now.runs} lent={now.cores} cores={machine.cores} paused={now.mode?.mode === 'paused'} />
        <div>
          <Controls link={link} now={now} />
          <p role="status" data-mode={now.mode?.mode ?? now.phase} data-control={now.control.state}>
            {wordsFor(now, machine.cores)} {words.ends}
          </p>
        </div>
      </div>
      {now.offline !== null && (
        <p class="stale" data-unsent={now.unsent}>
          The server does not answer; what is computed waits here
          {now.unsent > 0 && ` (${now.unsent} ${now.unsent === 1 ? 'result' : 'results'})`} and is sent when
          it is back. {now.offline}
        </p>
      )}
      {!link.mine.value && <p class="notice">{words.elsewhere}</p>}
      {now.runs.map(run => (
        <Running key={run.resultId} link={link} run={run} paused={now.mode?.mode === 'paused'} />
      ))}
    </>
  )
}

function Explained() {
  return (
    <details>
      <summary>What runs here</summary>
      <p>
        Kernels: WebAssembly modules that import nothing. They see no file, no network, no clock and nothing
        of this page; their memory is bounded and their budget is counted in instructions. The operator signs
        each of them, and this machine tests itself with a published digest before it computes. No
        researcher's script ever runs here: a task is a recipe, a seed and public data.
      </p>
      <p>
        Each result is compared, bit by bit, with that of another machine. If two others get a different
        number yours does not count; no harm done, it happens with overclocked machines. Credit is by
        instructions, so a machine that is slow, throttled or often paused loses nothing.
      </p>
    </details>
  )
}

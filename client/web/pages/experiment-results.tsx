import type { ExperimentView } from '#protocol/experiments.ts'
import { Figure } from '../charts/figure.tsx'
import { counted, credits, metric, span, whole } from '../format.ts'
import { Command, CommandPlace, commandHere } from '../ui/command.tsx'
import { State } from '../ui/parts.tsx'
import { Table } from '../ui/table.tsx'

type Run = ExperimentView['runs'][number]
type Result = Run['results'][number]

/** Every result of an experiment: who computed it, how it was judged, and what it earned. */
export function Results({ of: { runs, runsLeftOut, metric: measured } }: { of: ExperimentView }) {
  const rows = runs.flatMap(run => run.results.map(result => ({ run, result })))
  const standing = runs.flatMap(run => (run.resultId === null ? [] : [{ run, resultId: run.resultId }]))
  const more = runsLeftOut === 0 ? '' : ` ${whole(runsLeftOut)} more runs are left out.`
  return (
    <section>
      <h2>Every result</h2>
      <Figure
        name="results"
        sentence={`${counted(rows.length, 'result')} of ${counted(runs.length, 'run')}. Equal digests are equal to the last bit.${more}`}
        twin={() => ({
          columns: ['seed', 'rung', 'result', 'host', 'class', 'state', 'digest', measured.name, 'credit'],
          rows: rows.map(({ run, result }) => [
            ...[run.seedIndex, run.rung, result.id, result.host?.name ?? null, result.engineClass],
            ...[stateOf(result), result.digest, run.value, result.grantedMilli / 1000],
          ]),
        })}
      >
        <Table
          label="Results"
          columns={[
            { name: 'seed', isNumber: true },
            'host',
            'state',
            { name: measured.name, isNumber: true },
            { name: 'credit', isNumber: true },
            'class',
            { name: 'took', isNumber: true },
            'digest',
          ]}
          rows={rows.map(({ run, result }) => rowOf(run, result))}
        />
      </Figure>
      {standing.length > 0 && (
        <>
          <h3>Compute it again</h3>
          <p>
            Any machine must get the same digest, bit by bit; type <CommandPlace />:
          </p>
          <ul class="items">
            {standing.slice(0, COMMANDS).map(({ run, resultId }) => (
              <li key={run.workUnitId}>
                <Command line={commandHere(`repro ${resultId}`)} />
              </li>
            ))}
          </ul>
        </>
      )}
    </section>
  )
}

const COMMANDS = 5
const DIGEST_CHARS = 12
const WHOLE = 3
const RUNGS = ['a 27th', 'a ninth', 'a third', 'all']

const stateOf = ({ verdict, outcome, state }: Result): string => verdict ?? outcome ?? state

function rowOf(run: Run, result: Result) {
  const { host, digest, grantedMilli, vested, tookMs } = result
  return {
    key: `${run.workUnitId} ${result.id}`,
    cells: [
      `${run.seedIndex}${run.rung < WHOLE ? ` (${RUNGS[run.rung]})` : ''}`,
      <HostOf key="h" of={result} isPublished={run.published} />,
      <State key="s" of={stateOf(result)} />,
      stateOf(result) === 'valid' ? (run.value === null ? (run.status ?? '—') : metric(run.value)) : '',
      grantedMilli === 0 ? '' : `${credits(grantedMilli)}${vested ? '' : ' held'}`,
      result.engineClass,
      tookMs === null ? '' : span(tookMs / 1000),
      host === null || digest === null ? '' : <code key="d">{digest.slice(0, DIGEST_CHARS)}</code>,
    ],
  }
}

/** A check is the verifier's; whoever computes is not named before the run is public. */
function HostOf({ of: { host, kind, state, fraction }, isPublished }: { of: Result; isPublished: boolean }) {
  if (host === null)
    return (
      <span class="dim">
        {state === 'in_progress'
          ? `computing, ${Math.round(fraction * 100)} %`
          : isPublished
            ? '—'
            : 'told later'}
      </span>
    )
  return (
    <>
      <a href={`/h/${host.id}`}>{host.name}</a>{' '}
      <span class="dim">{kind === 'check' ? 'verifier' : host.client.startsWith('web') ? 'tab' : 'cli'}</span>
    </>
  )
}

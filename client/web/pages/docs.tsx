import { useTitle } from '../title.ts'
import { CommandPlace, command } from '../ui/command.tsx'

const STEPS: readonly (readonly [string, string, string])[] = [
  ['Lend a computer', 'Half its cores, paused on battery; Ctrl-C gives the work back.', 'up --server ORIGIN'],
  [
    'Lend a server',
    'All cores, one result after the other, with a token of your account.',
    'up --server ORIGIN --preset all --token-file FILE',
  ],
  [
    'Ask a question',
    'A file says kernel, data, space, budget; this tells what it would cost.',
    'campaign validate FILE --server ORIGIN --token-file FILE',
  ],
  [
    'Start it',
    'Credits are reserved; what is not used comes back.',
    'campaign submit FILE --server ORIGIN --token-file FILE',
  ],
  ['Follow it', 'Until it ends.', 'campaign watch ID --server ORIGIN'],
  [
    'Compute a result again',
    'The same bits on your machine, or somebody is wrong.',
    'repro ID --server ORIGIN',
  ],
  ['Check the ledger', 'Every credit, from the first block on.', 'ledger verify FILE'],
]

/** How to take part, in seven commands. */
export function DocsPage() {
  useTitle('Docs')
  return (
    <>
      <h1>How to take part</h1>
      <p class="prose">
        The quickest way is <a href="/start">Start</a>: one button, nothing to install. Everything else is one
        program, <code>xeenet</code>, called <CommandPlace />. Every command takes <code>--json</code> and
        prints what the API says.
      </p>
      {STEPS.map(([title, why, line]) => (
        <section key={title}>
          <h2>{title}</h2>
          <p>{why}</p>
          <pre>{command(line.replace('ORIGIN', location.origin))}</pre>
        </section>
      ))}
      <h2>How a result is trusted</h2>
      <p class="prose">
        A run is a WebAssembly module that imports nothing, with a budget counted in instructions: any machine
        gives the same bytes. Two machines of different owners must agree; a trusted one settles disputes and
        re-runs records and a random share. Until a unit is closed nobody outside the server sees its value.
      </p>
      <p>
        <a href="/api">Every address of the API</a>
      </p>
    </>
  )
}

import type { ValidateReply } from '#protocol/campaign.ts'
import { credits, recipeLine, whole } from '../format.ts'
import { Figures } from '../ui/parts.tsx'

/** What the server says of a file that it could compute. */
export function QuoteView({ of: reply }: { of: ValidateReply }) {
  const { quote, spaceSize, hostsMatching, coreHours, firstRuns } = reply
  return (
    <section aria-label="Quote">
      <Figures
        of={[
          ['credits reserved', credits(quote.reserveMilli)],
          ['experiments', whole(quote.experiments)],
          ['points in the space', spaceSize === null ? 'continuous' : whole(spaceSize)],
          ['core-hours, at most', coreHours.most.toLocaleString('en', { maximumSignificantDigits: 3 })],
          ['matching hosts', whole(hostsMatching)],
        ]}
      />
      <p class="meta">
        At {coreHours.gfuelPerCoreSecond.toPrecision(2)} Gfuel a core-second,{' '}
        {coreHours.basis === 'measured'
          ? `the median of ${coreHours.n} results`
          : 'assumed until results are in'}
        . What is not used comes back.
      </p>
      {quote.restless !== undefined && (
        <p class="meta">
          Native classes are not offered {whole(quote.restless.recipes)} of {whole(quote.restless.of)} recipes
          looked at, on which devices would not agree: {quote.restless.because}
        </p>
      )}
      <h3>First recipes</h3>
      <ol>
        {firstRuns.map(run => (
          <li key={run.runKey} class="mono">
            {recipeLine(run.recipe)}
          </li>
        ))}
      </ol>
    </section>
  )
}

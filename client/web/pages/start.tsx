import { address } from '../router.ts'
import { Command, CommandPlace, command } from '../ui/command.tsx'
import { tabLink } from '../volunteer/link.ts'
import { LocalData } from './start-local.tsx'
import { Volunteering } from './start-view.tsx'

/** Lend this tab's cores: one button, what runs and for whom, what came of it. */
export const StartPage = () => (
  <>
    {address.value.hash.startsWith('#xk_') && (
      <p class="notice">
        This link is for machines of an account. On each of them, <CommandPlace />:{' '}
        <Command line={command(`up --link '${location.href}'`)} /> What computes in this tab is nobody's until
        it is saved to an account below.
      </p>
    )}
    <Volunteering link={tabLink} words={TAB}>
      <LocalData link={tabLink} />
    </Volunteering>
  </>
)

const TAB = {
  ends: 'Stops when you close this tab.',
  before: 'Nothing is installed. Nothing runs before you press Start, nor after a reload.',
  elsewhere: 'It runs in another tab of this browser. This one shows it and steers it.',
  self: 'This browser',
  savable: true,
} as const

import { whole } from '../format.ts'
import { hour } from '../hour.ts'
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
    <Volunteering link={tabLink} words={TAB} intro={<Now />}>
      <LocalData link={tabLink} />
    </Volunteering>
  </>
)

/** Who computes already. Its line is there before it is known. */
function Now() {
  const { value: last } = hour.now
  return (
    <p class="prose">
      {last.state !== 'ready'
        ? 'Right now …'
        : last.value.hosts === 0
          ? 'Right now nobody computes here: yours would be the first host of the hour.'
          : `Right now ${whole(last.value.hosts)} ${last.value.hosts === 1 ? 'host computes' : 'hosts compute'} here; ${whole(last.value.runs)} runs became public in the last hour.`}{' '}
    </p>
  )
}

const TAB = {
  ends: 'Stops when you close this tab.',
  before: 'Nothing is installed. Nothing runs before you press Start, nor after a reload.',
  elsewhere: 'It runs in another tab of this browser. This one shows it and steers it.',
  self: 'This browser',
  savable: true,
} as const

import { tabLink } from '../volunteer/link.ts'
import { LocalData } from './start-local.tsx'
import { Volunteering } from './start-view.tsx'

/** Lend this tab's cores: one button, what runs and for whom, what came of it. */
export const StartPage = () => (
  <Volunteering link={tabLink} words={TAB}>
    <LocalData link={tabLink} />
  </Volunteering>
)

const TAB = {
  ends: 'Stops when you close this tab.',
  before: 'Nothing is installed. Nothing runs before you press Start, nor after a reload.',
  elsewhere: 'It runs in another tab of this browser. This one shows it and steers it.',
  self: 'This browser',
  savable: true,
} as const

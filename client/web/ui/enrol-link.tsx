import { late } from '../late.tsx'
import { Command, CommandPlace, command } from './command.tsx'
import type { QrProps } from './qr.tsx'

// An encoder is a page's worth of program, and only this needs it.
const Qr = late<QrProps>(async () => (await import('./qr.tsx')).Qr)

/** An enrolment link and the ways to follow it: a command, a browser, the camera of a phone. It is shown once. */
export const EnrolLink = ({ link }: { link: string }) => (
  <>
    <p>
      In a browser: <code data-link>{link}</code>
    </p>
    <p>
      On each machine, <CommandPlace />: <Command line={command(`up --link '${link}'`)} />
    </p>
    <p>With the camera of a phone or tablet, which then computes in its browser:</p>
    <Qr text={link} label="QR code of the same link" />
  </>
)

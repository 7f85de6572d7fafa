#!/usr/bin/env node
// The entry of the command line. Plain JavaScript that any Node can load: an old one cannot even read the rest.
const OLDEST_MAJOR = 24
if (Number(process.versions.node.split('.')[0]) < OLDEST_MAJOR) {
  console.error(
    `xeenet needs Node ${OLDEST_MAJOR} or newer, and this is ${process.version}. ` +
      'Run it through npm (npx xeenet …), which brings the right one.',
  )
  process.exit(1)
}
import('./xeenet.ts')

// Imported before everything else: it must load, and speak clearly, where the rest would fail with a syntax error.
const OLDEST_MAJOR = 24

const major = Number(process.versions.node.split('.')[0])
if (major < OLDEST_MAJOR) {
  process.stderr.write(
    `XeeNet needs Node ${OLDEST_MAJOR} or newer, and this is ${process.version}. ` +
      'Run it through npm (npm run xeenet -- serve), which brings the right one.\n',
  )
  process.exit(1)
}

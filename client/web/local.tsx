// The Start page of the client that is installed on this machine, served by it on loopback.

import { render } from 'preact'
import { Volunteering } from './pages/start-view.tsx'
import { applyTheme, theme, turnTheme } from './theme.ts'
import { localLink, server } from './volunteer/local-link.ts'

const WORDS = {
  ends: 'Stops when the window that opened this page is closed; what was computed is kept.',
  before: 'Nothing runs before you press Start.',
  elsewhere:
    'It was started elsewhere on this machine, perhaps as a service. This page shows it and steers it.',
  self: 'This machine',
  savable: false,
} as const

function Local() {
  return (
    <>
      <header class="top">
        <span class="wordmark">XeeNet on this machine</span>
        <span class="grow" />
        <button type="button" class="quiet" onClick={turnTheme}>
          Theme: {theme.value}
        </button>
      </header>
      <main class="page" id="main">
        <Volunteering link={localLink} words={WORDS}>
          <Server />
        </Volunteering>
      </main>
      <footer>
        <span>
          In a terminal: <code>xeenet status</code>, <code>xeenet service install</code> to run it without
          this window.
        </span>
      </footer>
    </>
  )
}

/** Which server it computes for. */
function Server() {
  const on = localLink.volunteering.value !== undefined && localLink.volunteering.value.phase !== 'ended'
  return (
    <section>
      <h2>Server</h2>
      {on ? (
        <p>
          It computes for <a href="/server">{server.value}</a>.
        </p>
      ) : (
        <p class="row">
          <label for="server">Compute for</label>
          <input
            id="server"
            type="url"
            size={36}
            value={server.value}
            onInput={event => {
              server.value = event.currentTarget.value
            }}
          />
        </p>
      )}
    </section>
  )
}

applyTheme()
const root = document.getElementById('app')
if (root !== null) render(<Local />, root)

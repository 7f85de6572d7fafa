import { useSignal } from '@preact/signals'
import type { ComponentChildren } from 'preact'
import { useEffect } from 'preact/hooks'
import type { PageName } from '#protocol/pages.ts'
import { HourRug } from '../charts/rug.tsx'
import { whole } from '../format.ts'
import { hour, hourAfter } from '../hour.ts'
import { useCurrent } from '../live.ts'
import { go, place } from '../router.ts'
import { loginPath, logOut, may, user } from '../session.ts'
import { theme, turnTheme } from '../theme.ts'
import { staleOf } from './parts.tsx'

const LINKS: readonly (readonly [PageName, string, string])[] = [
  ['campaigns', '/c', 'Campaigns'],
  ['top', '/top', 'Leaderboards'],
  ['explore', '/x', 'Data'],
  ['status', '/status', 'Status'],
  ['docs', '/docs', 'Docs'],
]

/** The same frame around every page: wordmark, where one can go, the way to join. */
export function Shell({ children }: { children: ComponentChildren }) {
  const here = place.value?.page
  return (
    <>
      <a class="skip" href="#main">
        Skip to content
      </a>
      <header class="top">
        <a class="wordmark" href="/">
          <svg width="16" height="16" viewBox="0 0 16 16" aria-hidden="true">
            <rect x="1" y="9" width="2" height="6" />
            <rect x="4" y="7" width="2" height="8" />
            <rect x="7" y="10" width="2" height="5" />
            <rect x="10" y="1" width="2" height="14" />
            <rect x="13" y="8" width="2" height="7" />
          </svg>
          XeeNet
        </a>
        <nav aria-label="Pages">
          {LINKS.map(([page, to, name]) => (
            <a key={page} href={to} {...(here === page ? { 'aria-current': 'page' as const } : {})}>
              {name}
            </a>
          ))}
        </nav>
        <LastHour />
        <Jump />
        <button type="button" class="quiet" onClick={turnTheme}>
          Theme: {theme.value}
        </button>
        <Account />
        {here !== 'start' && (
          <a class="button primary" href="/start">
            Start
          </a>
        )}
      </header>
      <main class="page" id="main" tabIndex={-1}>
        {children}
      </main>
      <footer>
        <a href="/log">Public action log</a>
        <a href="/ops">Operators</a>
        <a href="/api">API</a>
        <a href="/api/v1/openapi.json">OpenAPI</a>
        <a href="/api/v1/ledger/heads">Ledger heads</a>
        Everything computed here is public.
      </footer>
    </>
  )
}

/** The rug of the last hour, on every page: whether anything happens here. */
function LastHour() {
  useCurrent(hour, { topics: ['home'], patch: hourAfter })
  const { value: now } = hour.now
  const stale = staleOf(hour)
  if (now.state !== 'ready') return <div class="strip" />
  const { runs, hosts } = now.value
  return (
    <div class="strip">
      <HourRug {...now.value} width={STRIP_PX} />
      <span class={stale === undefined ? 'meta' : 'meta warn'}>
        {stale === undefined ? 'last hour' : `as of ${stale.since}`} · {whole(runs)}{' '}
        {runs === 1 ? 'run' : 'runs'} · {whole(hosts)} {hosts === 1 ? 'host' : 'hosts'}
      </span>
    </div>
  )
}
const STRIP_PX = 240

/** Who is logged in, or how to be. Only its place until it is known: nothing jumps, and nobody is told the wrong thing. */
function Account() {
  const who = user.value
  if (who === undefined)
    return (
      <span class="who later" aria-hidden="true">
        Log in
      </span>
    )
  if (who === null)
    return (
      <a class="who" href={loginPath()}>
        Log in
      </a>
    )
  return (
    <span class="row who">
      <a class="account" href="/me">
        {who.name}
      </a>
      {may('admin') && <span class="tag">operator</span>}
      <button type="button" class="quiet" onClick={() => void logOut()}>
        Log out
      </button>
    </span>
  )
}

// A work unit and a result are shown with their experiment.
const KINDS: readonly (readonly [RegExp, (id: string) => string])[] = [
  [/^c_/, id => `/c/${id}`],
  [/^h_/, id => `/h/${id}`],
  [/^(e|w|r)_/, id => `/e/${id}`],
]

/** Any id, pasted, leads to its page; the key `/` leads here. */
function Jump() {
  const unknown = useSignal(false)
  useEffect(() => {
    const onKey = (event: KeyboardEvent): void => {
      if (event.key !== '/' || event.target instanceof HTMLInputElement) return
      event.preventDefault()
      document.getElementById('jump')?.focus()
    }
    addEventListener('keydown', onKey)
    return () => removeEventListener('keydown', onKey)
  }, [])
  const onSubmit = (event: SubmitEvent): void => {
    event.preventDefault()
    if (!(event.currentTarget instanceof HTMLFormElement)) return
    const id = String(new FormData(event.currentTarget).get('id') ?? '').trim()
    const kind = KINDS.find(([pattern]) => pattern.test(id))
    unknown.value = kind === undefined
    if (kind !== undefined) go(kind[1](encodeURIComponent(id)))
  }
  return (
    <form onSubmit={onSubmit}>
      <label class="visually-hidden" for="jump">
        Go to an id
      </label>
      <input
        id="jump"
        name="id"
        size={10}
        placeholder="id  ( / )"
        autocomplete="off"
        aria-invalid={unknown.value}
      />
      <span class="meta" role="status">
        {unknown.value && ' an id begins with c_, e_, r_ or h_'}
      </span>
    </form>
  )
}

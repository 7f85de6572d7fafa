import type { SessionView } from '#protocol/accounts.ts'
import { go, query } from '../router.ts'
import { post, safeNext, session, user } from '../session.ts'
import { useTitle } from '../title.ts'
import { Failed, Field, filledIn, useSending } from '../ui/form.tsx'

/** Name and password, and back to where one came from. */
export function LoginPage() {
  useTitle('Log in')
  const next = safeNext(query.value.get('next'))
  const { busy, failure, onSubmit } = useSending(async filled => {
    const body = { name: filledIn(filled, 'name'), password: String(filled.get('password') ?? '') }
    session.value = await post<SessionView>('/session', body)
    go(next)
  })
  return (
    <>
      <h1>Log in</h1>
      {user.value && <p class="notice">You are logged in: {user.value.name}. Another login replaces that.</p>}
      <form class="form" onSubmit={onSubmit}>
        <Field id="name" label="Name">
          <input id="name" name="name" autocomplete="username" required maxLength={60} />
        </Field>
        <Field id="password" label="Password">
          <input
            id="password"
            name="password"
            type="password"
            autocomplete="current-password"
            required
            maxLength={256}
          />
        </Field>
        <Failed why={failure.value} />
        <button type="submit" class="primary" disabled={busy.value}>
          {busy.value ? 'Logging in …' : 'Log in'}
        </button>
      </form>
      <p class="meta">
        No account? <a href={`/signup?next=${encodeURIComponent(next)}`}>Make one</a>. Lending a computer
        needs none. A forgotten password is replaced by the operator of this server.
      </p>
    </>
  )
}

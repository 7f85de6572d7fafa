import { solveChallenge } from 'altcha-lib'
import { deriveKey } from 'altcha-lib/algorithms/web/pbkdf2'
import type { SessionView } from '#protocol/accounts.ts'
import { PASSWORD_CHARS_MAX, PASSWORD_CHARS_MIN, USER_NAME_CHARS_MAX } from '#protocol/limits.ts'
import type { EnrolChallenge, EnrolWork } from '#protocol/work.ts'
import { get } from '../data.ts'
import { address, go, query } from '../router.ts'
import { post, safeNext, session } from '../session.ts'
import { useTitle } from '../title.ts'
import { Failed, Field, filledIn, useSending } from '../ui/form.tsx'

/** A new account. The part of the address after # is an invitation. */
export function SignupPage() {
  useTitle('Make an account')
  const invitation = address.value.hash.slice(1)
  const known = session.value
  const { busy, failure, onSubmit } = useSending(async filled => {
    const email = filledIn(filled, 'email')
    const body = {
      ...{ name: filledIn(filled, 'name'), password: String(filled.get('password') ?? '') },
      ...(email === '' ? {} : { email }),
      ...(invitation === '' ? { work: await solved() } : { invitation }),
    }
    session.value = await post<SessionView>('/accounts', body)
    go(safeNext(query.value.get('next')))
  })
  if (known !== undefined && known.signup !== 'open' && invitation === '')
    return (
      <>
        <h1>Make an account</h1>
        <p class="notice">
          This server takes new accounts by invitation only: ask its operator for one.{' '}
          <a href="/start">Lending this computer</a> needs no account.
        </p>
      </>
    )
  return (
    <>
      <h1>Make an account</h1>
      <p>
        It keeps what your computers earn in one place. Lending a computer needs none; what it earned without
        one can join it later.
      </p>
      {invitation !== '' && (
        <p class="notice">You were invited. The invitation is used up by the account you make.</p>
      )}
      <form class="form" onSubmit={onSubmit}>
        <Fields />
        <Failed why={failure.value} />
        <button type="submit" class="primary" disabled={busy.value}>
          {busy.value ? 'Working for a few seconds …' : 'Make the account'}
        </button>
      </form>
      <p class="meta">
        Instead of a puzzle for you there is one for your computer: it takes some seconds, and makes a
        thousand accounts expensive. You have one? <a href="/login">Log in</a>.
      </p>
    </>
  )
}

const Fields = () => (
  <>
    <Field
      id="name"
      label="Name"
      hint="Everybody can see it. Letters of one alphabet, digits, spaces, _ . and -"
    >
      <input
        id="name"
        name="name"
        autocomplete="username"
        required
        maxLength={USER_NAME_CHARS_MAX}
        aria-describedby="name-hint"
      />
    </Field>
    <Field
      id="password"
      label="Password"
      hint={`At least ${PASSWORD_CHARS_MIN} characters; a few words that do not belong together are good`}
    >
      <input
        id="password"
        name="password"
        type="password"
        autocomplete="new-password"
        required
        minLength={PASSWORD_CHARS_MIN}
        maxLength={PASSWORD_CHARS_MAX}
        aria-describedby="password-hint"
      />
    </Field>
    <Field
      id="email"
      label="E-mail, if you like"
      hint="Only the operator sees it, to reach you. Nothing is sent to it"
    >
      <input
        id="email"
        name="email"
        type="email"
        autocomplete="email"
        maxLength={254}
        aria-describedby="email-hint"
      />
    </Field>
  </>
)

async function solved(): Promise<EnrolWork> {
  const challenge = await get<EnrolChallenge>('/accounts/challenge')
  const solution = await solveChallenge({ challenge, deriveKey })
  if (solution === null) throw new Error('The puzzle was not solved in time: try again.')
  return { challenge, solution: { counter: solution.counter, derivedKey: solution.derivedKey } }
}

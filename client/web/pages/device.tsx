import { useSignal } from '@preact/signals'
import type { DeviceView } from '#protocol/devices.ts'
import { ago } from '../format.ts'
import { query } from '../router.ts'
import { loginPath, post, user } from '../session.ts'
import { useTitle } from '../title.ts'
import { Failed, Field, filledIn, useSending } from '../ui/form.tsx'
import { Figures } from '../ui/parts.tsx'

/** Gives a machine that shows a code a login of this account, once a person saw which one it is. */
export function DevicePage() {
  useTitle('Log in a machine')
  const who = user.value
  return (
    <>
      <h1>Log in a machine</h1>
      {who === null && (
        <p class="notice">
          <a href={loginPath()}>Log in here first</a>: the machine gets a login of your account.
        </p>
      )}
      {who && <Asked name={who.name} />}
    </>
  )
}

function Asked({ name }: { name: string }) {
  const seen = useSignal<{ readonly code: string; readonly device: DeviceView } | undefined>(undefined)
  const { busy, failure, onSubmit } = useSending(async filled => {
    const code = filledIn(filled, 'code')
    seen.value = { code, device: await post<DeviceView>('/devices/look', { userCode: code }) }
  })
  if (seen.value !== undefined) return <Confirm {...seen.value} name={name} />
  return (
    <form class="form" onSubmit={onSubmit}>
      <Field id="code" label="The code that the machine shows" hint="Eight letters; it lives ten minutes">
        <input
          id="code"
          name="code"
          class="mono"
          autocomplete="off"
          spellcheck={false}
          required
          maxLength={12}
          defaultValue={query.value.get('code') ?? ''}
          aria-describedby="code-hint"
        />
      </Field>
      <Failed why={failure.value} />
      <button type="submit" class="primary" disabled={busy.value}>
        Look which machine that is
      </button>
    </form>
  )
}

const SCOPE_WORDS = {
  read: 'see your account',
  enrol: 'compute for your account',
  propose: 'propose experiments in your campaigns',
  campaign: 'start and change campaigns, which spend your credit',
  kernel: 'propose kernels',
} as const

function Confirm({ code, device, name }: { code: string; device: DeviceView; name: string }) {
  const decided = useSignal<DeviceView['state']>(device.state)
  const { busy, failure, onSubmit } = useSending(async filled => {
    const approve = filled.get('approve') === 'yes'
    const view = await post<DeviceView>('/devices/decide', { userCode: code, approve })
    decided.value = view.state
  })
  if (decided.value !== 'waiting')
    return (
      <p class="notice" role="status">
        {decided.value === 'approved'
          ? `${device.machine} is logged in as ${name} within seconds. Your account lists the login, and ends it.`
          : `${device.machine} got no login.`}{' '}
        <a href="/me">Your account</a>
      </p>
    )
  return (
    <>
      <p>
        A program asks for a login of <b>{name}</b>. Say yes only if you started it yourself, just now, and it
        shows <b class="mono">{code.toUpperCase()}</b>.
      </p>
      <Figures
        of={[
          ['machine, in its own words', device.machine],
          ['address', device.address],
          ['asked', ago(device.askedAt, Date.now())],
        ]}
      />
      <p>It would be able to {device.scopes.map(scope => SCOPE_WORDS[scope]).join(', ')}.</p>
      <Failed why={failure.value} />
      <div class="row">
        <form onSubmit={onSubmit}>
          <input type="hidden" name="approve" value="yes" />
          <button type="submit" class="primary" disabled={busy.value}>
            Yes, log it in
          </button>
        </form>
        <form onSubmit={onSubmit}>
          <input type="hidden" name="approve" value="no" />
          <button type="submit" disabled={busy.value}>
            No
          </button>
        </form>
      </div>
    </>
  )
}

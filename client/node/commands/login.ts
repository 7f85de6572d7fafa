import { Command } from 'commander'
import { z } from 'zod'
import { MeView } from '#protocol/campaign.ts'
import { KeyScope, KeyView } from '#protocol/keys.ts'
import { ask, askBoth, Refusal } from '#runtime/api.ts'
import { credentialOf, keepCredential } from '../credentials.ts'
import { deviceLogin } from '../device-login.ts'
import { usage } from '../failure.ts'
import { contextOf, options, withServer } from '../options.ts'

const LoginOptions = z.object({ scope: z.array(KeyScope).min(1) })

/** `xeenet login`: a login for this command line, confirmed in a browser. */
export function loginCommand(): Command {
  const command = withServer(new Command('login'))
    .description('log in with a browser; the login is an API key that the account page lists')
    .option('--scope <scopes...>', KeyScope.options.join(', '), KeyScope.options)
  return command.action(async () => {
    const { talk, endpoint } = await contextOf(command)
    const { token, name } = await deviceLogin(endpoint, talk, options(LoginOptions, command).scope)
    await keepCredential(endpoint.server, { token, name })
  })
}

/** `xeenet logout`: ends the login here and on the server. */
export function logoutCommand(): Command {
  const command = withServer(new Command('logout')).description('end the login of this command line')
  return command.action(async () => {
    const { talk, endpoint } = await contextOf(command)
    const known = await credentialOf(endpoint.server)
    if (known === undefined) throw usage(`nobody is logged in to ${endpoint.server}`, 'xeenet login')
    try {
      const own = { ...endpoint, token: known.token }
      const { key } = await ask(own, MeView, { method: 'GET', path: '/api/v1/me' })
      if (key !== null) await ask(own, KeyView, { method: 'POST', path: `/api/v1/keys/${key.keyId}/revoke` })
    } catch (error) {
      if (!(error instanceof Refusal) || error.problem.status !== 401) throw error // else: it was revoked before
    }
    await keepCredential(endpoint.server, undefined)
    talk.event('logged_out', { name: known.name }, `logged out ${known.name}`)
  })
}

/** `xeenet whoami`: whom the token belongs to, and what it may do. */
export function whoamiCommand(): Command {
  const command = withServer(new Command('whoami')).description('the account behind the login or the token')
  return command.action(async () => {
    const { talk, endpoint } = await contextOf(command)
    const { reply, text } = await askBoth(endpoint, MeView, { method: 'GET', path: '/api/v1/me' })
    if (talk.json) return talk.data(text)
    const { userId, name, roles, key } = reply
    talk.data(`${name}  ${userId}  ${roles.join(', ')}`)
    if (key !== null) talk.data(`by the key ${key.keyId} (${key.label}), which may ${key.scopes.join(', ')}`)
  })
}

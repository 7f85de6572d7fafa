import type { Operation } from './operation.ts'

/** Accounts that people make themselves: signing up, logging in and out. */
export const ACCOUNT_OPERATIONS: readonly Operation[] = [
  {
    ...{ method: 'post', path: '/api/v1/accounts', body: 'SignUpBody', reply: 'SessionView', status: 201 },
    summary: 'Sign up, against work or an invitation; a browser is logged in by it',
  },
  {
    ...{ method: 'get', path: '/api/v1/accounts/challenge', reply: 'EnrolChallenge' },
    summary: 'Work for an account without an invitation',
  },
  {
    ...{ method: 'get', path: '/api/v1/session', reply: 'SessionView', security: 'session?' },
    summary: 'Who is logged in',
  },
  {
    ...{ method: 'post', path: '/api/v1/session', body: 'LoginBody', reply: 'SessionView' },
    summary: 'Log in with name and password',
  },
  {
    ...{ method: 'delete', path: '/api/v1/session', reply: 'SessionView', security: 'session?' },
    summary: 'Log this browser out',
  },
  {
    ...{ method: 'get', path: '/api/v1/sessions', reply: 'SessionList', security: 'user' },
    summary: 'The browsers in which an account is logged in',
  },
  {
    ...{ method: 'post', path: '/api/v1/sessions/revoke', body: 'RevokeSessionsBody', reply: 'RevokedReply' },
    ...{ summary: 'Log out some browsers, or all', security: 'user' },
  },
  {
    ...{ method: 'post', path: '/api/v1/me/password', body: 'PasswordBody', reply: 'RevokedReply' },
    ...{ summary: 'Change the password; other browsers are logged out', security: 'session' },
  },
  {
    ...{ method: 'put', path: '/api/v1/hosts/{id}/name', body: 'RenameBody', reply: 'ChangedHost' },
    ...{ summary: 'Call a host of the account something else', security: 'user' },
  },
  {
    ...{ method: 'post', path: '/api/v1/hosts/{id}/retire', reply: 'ChangedHost', security: 'user' },
    summary: 'Retire a host of the account: it gets no work any more, and its leases go to others',
  },
  {
    ...{ method: 'get', path: '/api/v1/me/export', reply: 'text', security: 'user' },
    summary: 'Everything that is kept of an account, as one JSON document',
  },
  {
    ...{ method: 'post', path: '/api/v1/devices', body: 'DeviceBody', reply: 'DeviceStart', status: 201 },
    summary: 'A program asks for a login, which a person confirms in a browser',
  },
  {
    ...{ method: 'post', path: '/api/v1/devices/token', body: 'DeviceTokenBody', reply: 'DeviceToken' },
    summary: 'Whether it was confirmed: an API key, shown this once',
  },
  {
    ...{ method: 'post', path: '/api/v1/devices/look', body: 'DeviceLookBody', reply: 'DeviceView' },
    ...{ summary: 'Which machine shows a code', security: 'session' },
  },
  {
    ...{ method: 'post', path: '/api/v1/devices/decide', body: 'DeviceDecideBody', reply: 'DeviceView' },
    ...{ summary: 'Give the machine a login, or refuse it', security: 'session' },
  },
  {
    ...{ method: 'get', path: '/api/v1/invitations', reply: 'InvitationList', security: 'user' },
    summary: 'Open invitations, for operators',
  },
  {
    ...{ method: 'post', path: '/api/v1/invitations', body: 'InvitationBody', reply: 'NewInvitation' },
    ...{ summary: 'Invite people; the code is shown this once', security: 'user', status: 201 },
  },
  {
    ...{ method: 'delete', path: '/api/v1/invitations/{id}', reply: 'InvitationList', security: 'user' },
    summary: 'Take an invitation back',
  },
]

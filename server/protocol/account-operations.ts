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

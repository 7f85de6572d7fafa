/** The refusals about accounts that people make themselves: a part of PROBLEMS, in its form. */
export const ACCOUNT_PROBLEMS = {
  login_failed: [
    401,
    false,
    'Name and password do not go together',
    'Check both; capitals count in the password.',
  ],
  login_throttled: [
    429,
    true,
    'Too many wrong attempts',
    'Wait for retryAfterMs. A browser that was logged in before need not wait for others.',
  ],
  session_over: [401, false, 'You are not logged in any more', 'Log in again.'],
  csrf_refused: [
    403,
    false,
    'The call does not come from a page of this server',
    'Send the cookie whose name ends in csrf as the header x-xeenet-csrf, from the same origin.',
  ],
  signup_closed: [
    403,
    false,
    'This server takes no new accounts without an invitation',
    'Ask its operator for one. Computing needs no account.',
  ],
  key_used_up: [403, false, 'As many machines enrolled with this key as may', 'Ask for a new link.'],
  invitation_unknown: [404, false, 'This invitation is not known, used up or over', 'Ask for a new one.'],
  invitations_full: [409, false, 'There are as many open invitations as may be', 'Revoke some.'],
  device_pending: [409, true, 'Nobody has confirmed this login yet', 'Ask again after retryAfterMs.'],
  device_slow_down: [429, true, 'Asked too soon', 'Ask again after retryAfterMs, and keep to it.'],
  device_denied: [403, false, 'The login was refused', 'Ask anew, if that was a mistake.'],
  device_expired: [410, false, 'This login was not confirmed in time, or was given out', 'Ask anew.'],
  device_unknown: [
    404,
    false,
    'No machine shows this code now',
    'Check the letters; a code lives ten minutes.',
  ],
  name_taken: [409, false, 'This name is taken, or looks too much like one that is', 'Choose another.'],
  name_refused: [422, false, 'Nobody can have this name', 'The detail says why: choose another.'],
  password_weak: [422, false, 'This password is too easy to guess', 'The detail says why: choose another.'],
} as const satisfies Record<string, readonly [number, boolean, string, string]>

// What pages and server agree on about sessions; without schemas, so that every page can carry it.

/** Carries the value of the csrf cookie in calls of a page that change something. */
export const CSRF_HEADER = 'x-xeenet-csrf'

/** Cookies by what they hold. Over https a name is prefixed with `__Host-`, so that no other host of the domain can set it. */
export const COOKIES = { session: 'xeenet_session', csrf: 'xeenet_csrf', browser: 'xeenet_browser' } as const

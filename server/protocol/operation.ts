/** Who may call: nobody in particular, or with which token. */
export type Security = 'nobody' | 'anybody' | 'user' | 'host'

/** One address and method of the server, as the OpenAPI document describes it. */
export interface Operation {
  readonly method: 'get' | 'post' | 'put' | 'delete'
  readonly path: string
  readonly summary: string
  readonly security?: Security
  readonly body?: string // name of a schema, or `bytes`
  readonly reply: string // name of a schema, `bytes` or `text`
  readonly status?: number
  readonly query?: readonly string[]
  readonly headers?: readonly string[]
}

/** The query of a list that comes page by page. */
export const page = ['limit', 'after']

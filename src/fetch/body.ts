type Body = BodyInit | null | undefined

export const isStream = (body: Body): boolean =>
  typeof body === 'object' && body !== null && ('getReader' in body || Symbol.asyncIterator in body)

/** A buffer, a form or its parameters may be another by the time it is sent again. */
export const isChangeable = (body: Body): boolean => typeof body === 'object' && body !== null && !(body instanceof Blob) && !isStream(body)

/** To be sent a second time: Firefox does not say whether there is a body, so a copy is made wherever there may be one. One that is used up is refused by `fetch`. */
export const copyOf = (request: Request): Request | null =>
  /^(GET|HEAD)$/.test(request.method) ? request : request.bodyUsed ? null : request.clone()

/** A body that nobody will read keeps its source open, be it a camera; a copy of one holds back all that its twin has sent. */
export function letGo(of: Request | Response): void {
  if (!of.bodyUsed) of.body?.cancel().catch(() => {})
}

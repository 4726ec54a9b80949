/** Ends one caller's wait, not what is waited for: shared work is nobody's to abort (F35). */
export function abortable<T>(work: T | Promise<T>, signal: AbortSignal | null | undefined): Promise<T> {
  return new Promise((resolve, reject) => {
    const give = () => reject(signal?.reason)
    if (signal?.aborted) give()
    signal?.addEventListener('abort', give)
    Promise.resolve(work)
      .then(resolve, reject)
      .finally(() => signal?.removeEventListener('abort', give))
  })
}

export interface Start {
  /** ms from the navigation, and from the first line of the page's script, to the first request. */
  readonly fromNavigation: number
  readonly fromScript: number
}

const scriptBegan = performance.now()

/** Now the first authenticated request leaves. */
export function report(): void {
  const now = performance.now()
  Object.assign(window, { start: { fromNavigation: now, fromScript: now - scriptBegan } satisfies Start })
}

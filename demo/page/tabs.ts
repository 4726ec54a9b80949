// Tabs are called A, B, C, …: each holds a Web Lock of its letter for as long as it lives, so that no letter outlives a crash.

const prefix = 'demo-tab-'
const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ'
const remembered = 'demo-tab-letter'

/** Takes the letter this tab had before its reload, or the first one that is free. */
export async function takeLetter(): Promise<string> {
  const before = sessionStorage.getItem(remembered)
  // A reload may ask before the browser has let go of the old page's locks; a duplicated tab asks in vain.
  if (before && (await hold(before, 300))) return before

  for (const letter of letters) {
    if (!(await hold(letter, 0))) continue
    sessionStorage.setItem(remembered, letter)
    return letter
  }
  throw new Error(`This demo is made for ${letters.length} tabs.`)
}

/** The letters of the tabs that are open now. */
export async function openTabs(): Promise<readonly string[]> {
  const { held = [] } = await navigator.locks.query()
  return held
    .map(({ name = '' }) => name)
    .filter((name) => name.startsWith(prefix))
    .map((name) => name.slice(prefix.length))
    .sort()
}

function hold(letter: string, patience: number): Promise<boolean> {
  const how = patience ? { signal: AbortSignal.timeout(patience) } : { ifAvailable: true }
  const forever = new Promise<void>(() => {})
  return new Promise((resolve) => {
    navigator.locks
      .request(prefix + letter, how, (lock) => {
        resolve(lock !== null)
        return lock ? forever : undefined
      })
      .catch(() => resolve(false))
  })
}

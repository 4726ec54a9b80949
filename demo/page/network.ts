// The network can be cut for every tab, as a machine has one cable.
const key = 'demo-network'

export const isCut = (): boolean => localStorage.getItem(key) === 'cut'

/** Makes `fetch` reach nobody but the demo's own server while the network is cut. Before anybody calls it. */
export function connectNetwork(): void {
  const reach = globalThis.fetch
  globalThis.fetch = async (input, init) => {
    const { origin } = new URL(input instanceof Request ? input.url : input, location.href)
    if (isCut() && origin !== location.origin) throw new TypeError('Failed to fetch')
    return reach(input, init)
  }
  window.addEventListener('storage', (event) => {
    if (event.key === key) tellPage()
  })
}

export function cutNetwork(cut: boolean): void {
  localStorage.setItem(key, cut ? 'cut' : 'up')
  tellPage()
}

/** What a browser tells its pages. */
function tellPage(): void {
  window.dispatchEvent(new Event(isCut() ? 'offline' : 'online'))
}

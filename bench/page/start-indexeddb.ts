import { createStore, get, set } from 'idb-keyval'
import { report } from './report.ts'

// What an app does that keeps its token in IndexedDB by its own hand, unsealed.
const store = createStore('by-hand', 'tokens')
Object.assign(window, { signIn: (token: string) => set('token', token, store) })
get('token', store).then((token) => {
  if (!token) return
  report()
  fetch('/api/first', { headers: { Authorization: `Bearer ${token}` } })
})

import type { Adapter, AdapterFactory, AdapterPayload } from 'oidc-provider'

interface Entry {
  readonly payload: AdapterPayload
  readonly endsAt: number
}

/** Keeps what the provider has to remember in this process. When the demo stops, every session has been forgotten. */
export function memoryAdapter(): AdapterFactory {
  return () => {
    const entries = new Map<string, Entry>()

    const find: Adapter['find'] = async (id) => {
      const entry = entries.get(id)
      if (entry && entry.endsAt > Date.now()) return entry.payload
      entries.delete(id)
      return undefined
    }
    const findBy = (member: 'uid' | 'userCode') => async (value: string) => {
      const found = [...entries].find(([, { payload }]) => payload[member] === value)
      return found && find(found[0])
    }

    return {
      find,
      findByUid: findBy('uid'),
      findByUserCode: findBy('userCode'),
      upsert: async (id, payload, expiresIn) => {
        entries.set(id, { payload, endsAt: expiresIn ? Date.now() + expiresIn * 1000 : Infinity })
      },
      consume: async (id) => {
        const payload = await find(id)
        if (payload) payload.consumed = Math.floor(Date.now() / 1000)
      },
      destroy: async (id) => {
        entries.delete(id)
      },
      revokeByGrantId: async (grantId) => {
        for (const [id, { payload }] of entries) if (payload.grantId === grantId) entries.delete(id)
      },
    }
  }
}

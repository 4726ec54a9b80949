import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Tab } from '../../src/testing/world.ts'
import { callFrom, listenTo, minutes, roughen, scene, seconds, storedIn, watch } from './scene.ts'

// Schedules by chance, against the invariants. A failure prints the seed and the shortest trace that shows it; LATCHKEY_SEED starts elsewhere.

const tab = fc.nat(2)
const span = fc.constantFrom(0, 1, 20, 300, 2_000, 20_000, 70_000, 200_000)

const gentle = {
  advance: fc.record({ do: fc.constant('advance' as const), span }),
  act: fc.record({ do: fc.constantFrom('call', 'refresh', 'hide', 'show', 'instance'), tab }),
  signIn: fc.record({ do: fc.constant('signIn' as const), tab, subject: fc.constantFrom('one', 'two') }),
  signOut: fc.record({ do: fc.constant('signOut' as const), tab }),
  fault: fc.record({ do: fc.constantFrom('503', 'store fails', 'loses a message') }),
  clock: fc.record({ do: fc.constant('clock' as const), tab, span: fc.constantFrom(-7_200_000, 0, 15_000, 7_200_000) }),
}
const harsh = {
  advance: gentle.advance,
  act: gentle.act,
  life: fc.record({ do: fc.constantFrom('freeze', 'thaw', 'crash', 'offline', 'online'), tab }),
  fault: fc.record({ do: fc.constantFrom('503', 'store fails', 'answer-lost', 'request-lost', 'hang', 'slow', 'evict') }),
}

type Step = { readonly do: string; readonly tab?: number; readonly span?: number; readonly subject?: string }

interface Setting {
  readonly seed: number
  readonly hasLocks: boolean
  readonly steps: readonly Step[]
}

const schedule = (steps: fc.Arbitrary<Step>) =>
  fc.record({ seed: fc.nat(1_000_000), hasLocks: fc.boolean(), steps: fc.array(steps, { minLength: 3, maxLength: 25 }) })

async function play({ seed, hasLocks, steps }: Setting, rotation: 'strict' | 'static') {
  const s = scene({ tabs: 3, seed, rotation })
  const random = roughen(s, seed, { store: 30, message: 30, lock: 10 })
  s.browser.behaviour.hasLocks = hasLocks
  let slow = 0
  s.latency = () => random() * 400 + (slow-- > 0 ? 11_000 : 0)
  const live = [...s.tabs] as Tab[]
  const ears = new Map(live.map((one) => [one, s.earOf(one)]))
  const work: { readonly result: unknown }[] = []
  const keep = (promise: Promise<unknown>) => void work.push(watch(promise, s.now))
  keep(live[0]!.session.signIn(s.server.grant(), { subject: 'one' }))
  await s.advance(seconds(1))
  for (const step of steps) {
    const here = live[(step.tab ?? 0) % live.length]!
    const inside = s.insideOf(here)
    let faults = 1
    if (step.do === 'advance') await s.advance(step.span ?? 0)
    else if (step.do === 'call') keep(callFrom(here))
    else if (step.do === 'refresh') keep(here.session.refresh())
    else if (step.do === 'hide') here.hide()
    else if (step.do === 'show') here.show()
    else if (step.do === 'instance') s.secondSession(here).close()
    else if (step.do === 'signIn') keep(here.session.signIn(s.server.grant(), { subject: step.subject }))
    else if (step.do === 'signOut') keep(here.session.signOut())
    else if (step.do === 'clock') inside.setClock(step.span ?? 0)
    else if (step.do === 'freeze') here.freeze()
    else if (step.do === 'thaw') here.thaw()
    else if (step.do === 'offline') here.offline()
    else if (step.do === 'online') here.online()
    else if (step.do === 'evict') s.browser.records.clear()
    else if (step.do === 'slow') slow = 1
    else if (step.do === '503') s.server.fail({ status: 503 })
    else if (step.do === 'store fails') s.browser.behaviour.storeFault = () => (faults-- > 0 ? 'fails' : 'none')
    else if (step.do === 'loses a message') s.browser.behaviour.loses = () => faults-- > 0
    else if (step.do === 'crash') {
      here.crash()
      const next = s.world.openTab()
      ears.set(next, listenTo(next.session))
      live[live.indexOf(here)] = next
    } else s.server.fail(step.do as 'hang')
  }
  const end = { calls: [...s.server.calls] }
  for (const one of live) {
    one.thaw()
    one.online()
    one.show()
  }
  await s.advance(minutes(3))
  return { s, live, ears, work, end }
}

type Played = Awaited<ReturnType<typeof play>>

/** What holds whatever happened. */
function holdsAlways({ s, live, ears, work }: Played): void {
  // I7: every live tab knows what the store says.
  const stored = storedIn(s)
  for (const { session } of live) {
    if (stored?.status === 'active') expect(session.state).toMatchObject({ status: 'signed-in', sessionId: stored.session })
    else expect(session.state.status).toBe('signed-out')
  }
  // Each end once per tab.
  for (const { ended } of ears.values()) expect(new Set(ended.map(({ sessionId }) => sessionId)).size).toBe(ended.length)
  // I6: nothing of an ended session is kept.
  if (stored?.status !== 'active') expect([...s.browser.records.values()].join()).not.toMatch(/access-\d|refresh-\d/)
  // No call without a token, and none with one that is known to be dead.
  expect(s.server.calls.filter(({ credential }) => credential === 'none' || credential === 'expired')).toEqual([])
  for (const one of live) expect(s.insideOf(one).reported).toEqual([])
  // I5: everybody who is alive has an answer.
  expect(work.filter(({ result }) => !result).length).toBe(0)
}

const settings = {
  numRuns: Number(process.env.LATCHKEY_SEEDS ?? 200),
  interruptAfterTimeLimit: 100_000,
}

describe('whatever the order of things', () => {
  test('I1 to I7: users who come and go, clocks that jump, a store, a server and messages that fail: no reuse, no rejection, all agree', async () => {
    await fc.assert(
      fc.asyncProperty(
        schedule(
          fc.oneof(
            { weight: 3, arbitrary: gentle.advance },
            { weight: 4, arbitrary: gentle.act },
            gentle.signIn,
            gentle.signOut,
            gentle.fault,
            gentle.clock,
          ),
        ),
        async (setting) => {
          const played = await play(setting, 'strict')
          holdsAlways(played)
          expect(played.s.server.reused).toBe(0)
          for (const { ended } of played.ears.values()) expect(ended.filter(({ reason }) => reason === 'rejected')).toEqual([])
          played.s.world.close()
        },
      ),
      settings,
    )
  }, 120_000)

  test('I3 to I5, I7: tabs that freeze and die, networks that go and come back, storage that is cleared: nobody is signed out', async () => {
    await fc.assert(
      fc.asyncProperty(
        schedule(
          fc.oneof(
            { weight: 3, arbitrary: harsh.advance },
            { weight: 4, arbitrary: harsh.act },
            { weight: 2, arbitrary: harsh.life },
            { weight: 2, arbitrary: harsh.fault },
          ),
        ),
        async (setting) => {
          // Cleared storage is survived by the memory of a living tab: a crash beside it may leave none.
          const evicts = setting.steps.some((step) => step.do === 'evict')
          const steps = setting.steps.filter((step) => !evicts || !['crash', 'freeze'].includes(step.do))
          const played = await play({ ...setting, steps }, 'static')
          const crashes = steps.some((step) => step.do === 'crash')
          holdsAlways(crashes ? { ...played, work: [] } : played)
          for (const { ended } of played.ears.values()) expect(ended).toEqual([])
          for (const { session } of played.live) expect(session.state.status).toBe('signed-in')
          played.s.world.close()
        },
      ),
      settings,
    )
  }, 120_000)
})

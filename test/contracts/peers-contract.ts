import type { ContractCase } from 'latchkey/testing'
import type { News } from '../../src/core/state.ts'
import type { Peers } from '../../src/ports.ts'
import { casesOf, same } from './cases.ts'

/** What nudges between tabs must do. `make` gives one tab's end of that name, another tab's each time; `pass` lets that many ms go by. */
export function peersContract(make: (name: string) => Peers, pass: (span: number) => Promise<void>): readonly ContractCase[] {
  const news: News = { session: 'one', generation: 7, missing: false }
  const earOf = (peers: Peers) => {
    const heard: News[] = []
    return { heard, leave: peers.listen((what) => heard.push(what)) }
  }
  return casesOf('peers', {
    'hear what is said, as it is said, and the speaker does not': async (name) => {
      const speaker = make(name)
      const ears = [earOf(speaker), earOf(make(name)), earOf(make(name))]
      speaker.tell(news)
      speaker.tell({ ...news, generation: 8, missing: true })
      await pass(200)
      const said = JSON.stringify([news, { ...news, generation: 8, missing: true }])
      same(ears.map(({ heard }) => JSON.stringify(heard)).join(' '), `[] ${said} ${said}`)
      for (const { leave } of ears) leave()
    },
    'can speak without listening': async (name) => {
      const { heard, leave } = earOf(make(name))
      make(name).tell(news)
      await pass(200)
      same(heard.length, 1)
      leave()
    },
    'hear nothing once they have left, and may leave twice': async (name) => {
      const { heard, leave } = earOf(make(name))
      leave()
      leave()
      make(name).tell(news)
      await pass(200)
      same(heard.length, 0)
    },
    'can speak after they have left': async (name) => {
      const gone = make(name)
      earOf(gone).leave()
      const { heard, leave } = earOf(make(name))
      gone.tell(news)
      await pass(200)
      same(heard.length, 1)
      leave()
    },
    'of another name hear nothing': async (name) => {
      const { heard, leave } = earOf(make(`${name} `))
      make(name).tell(news)
      await pass(200)
      same(heard.length, 0)
      leave()
    },
    'say whether they can be heard': async (name) => {
      same(make(name).audible, true)
    },
  })
}

import type { MonotonicMs, Ms } from './core/time.ts'
import type { StepUpChallenge } from './fetch/challenge.ts'
import type { Clock } from './ports.ts'

/** An API may be wrong, or worse: its users are asked once a minute on its behalf, whatever it says (REQ-103, RFC 9470 §9). */
const pause: Ms = 60_000

/** What users were asked on behalf of an API last. It is not asked again until then: as long as it is open, and for a minute. */
interface Question {
  readonly answered: Promise<unknown>
  until: MonotonicMs
}

/** Is there nothing left to ask? */
type IsMoot = () => boolean

/** Has users asked for stronger sign-ins, one question at a time. */
export interface StepUps {
  /** Resolves when it has been answered, or is moot. */
  readonly ask: (user: string | null | undefined, challenge: StepUpChallenge, isMoot: IsMoot) => Promise<unknown>
  /** Something has happened: the question that is open may be moot now. */
  readonly recheck: () => void
}

/** `put`: has the app ask, and uses its answer unless that is moot. Must not reject. */
export function stepUps(put: (challenge: StepUpChallenge, isMoot: IsMoot) => Promise<unknown>, { now }: Clock): StepUps {
  const byUserAndOrigin = new Map<string, Question>()
  let last: Promise<unknown> = Promise.resolve()
  let recheck = () => {}
  return {
    recheck: () => recheck(),
    ask(user, challenge, isMoot) {
      const key = `${challenge.origin} ${user}`
      const known = byUserAndOrigin.get(key)
      if (known && now().mono < known.until) return known.answered
      last = last.then(async () => {
        const isAsked = !isMoot()
        if (isAsked) await untilMoot(put(challenge, isMoot), isMoot)
        question.until = isAsked ? now().mono + pause : 0
      })
      const question: Question = { answered: last, until: Infinity }
      byUserAndOrigin.set(key, question)
      return last
    },
  }

  /** The session has ended, or somebody has signed in: then the answer is of no use any more. */
  function untilMoot(answered: Promise<unknown>, isMoot: IsMoot): Promise<unknown> {
    return new Promise((resolve) => {
      recheck = () => isMoot() && resolve(null)
      answered.then(resolve)
    })
  }
}

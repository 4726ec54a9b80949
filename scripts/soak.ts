/**
 * Plays schedules by chance on all cores until one breaks an invariant, LATCHKEY_SOAK_MINUTES are over, or Ctrl-C. Prints the seed that it
 * starts from; LATCHKEY_SEED starts there again.
 */
import { availableParallelism } from 'node:os'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { chances, tryChances } from '../test/simulated/schedule.ts'

/** Few enough that the count is always news. */
const batch = 200

interface Task {
  readonly seed: number
  readonly stride: number
  readonly until: number
}

if (isMainThread) {
  const seed = Number(process.env.LATCHKEY_SEED ?? Math.floor(Math.random() * 2 ** 30))
  const minutes = Number(process.env.LATCHKEY_SOAK_MINUTES ?? Infinity)
  const stride = availableParallelism()
  const begun = Date.now()
  const counts = new Map<string, number>()
  const report = () => {
    const total = [...counts.values()].reduce((sum, count) => sum + count, 0)
    const each = [...counts].map(([kind, count]) => `${kind} ${count}`).join(', ')
    console.log(`${((Date.now() - begun) / 60_000).toFixed(1)} min, ${total} schedules (${each}), no violation`)
  }
  console.log(`LATCHKEY_SEED=${seed}, on ${stride} cores, ${minutes === Infinity ? 'until Ctrl-C' : `for ${minutes} min`}`)
  const ticking = setInterval(report, 30_000)
  const workers = Array.from({ length: stride }, (_, index) => {
    const task: Task = { seed: seed + index, stride, until: begun + minutes * 60_000 }
    const worker = new Worker(new URL(import.meta.url), { workerData: task })
    worker.on('message', ([kind, count]: [string, number]) => counts.set(kind, (counts.get(kind) ?? 0) + count))
    return new Promise<void>((resolve, reject) => worker.on('error', reject).on('exit', () => resolve()))
  })
  try {
    await Promise.all(workers)
    report()
  } catch (error) {
    console.error(error)
    process.exit(1)
  } finally {
    clearInterval(ticking)
  }
} else {
  const { seed, stride, until }: Task = workerData
  const kinds = Object.keys(chances) as (keyof typeof chances)[] // of its own members
  for (let round = 0; Date.now() < until; round++) {
    for (const kind of kinds) {
      // One kind costs twenty times as much as the others.
      const count = await tryChances(kind, kind === 'ownClocks' ? batch / 20 : batch, until - Date.now(), seed + round * stride)
      parentPort?.postMessage([kind, count])
    }
  }
}

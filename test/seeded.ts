import fc from 'fast-check'

// What chance tries is the same on every machine, until LATCHKEY_SEED starts elsewhere: a failure is there again for whoever looks for it.
fc.configureGlobal({ seed: Number(process.env.LATCHKEY_SEED ?? 42) })

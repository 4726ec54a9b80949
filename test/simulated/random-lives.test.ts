import { testChances } from './test-chances.ts'

// What befalls tabs.

testChances('I1 to I7, whatever the order of things', { lives: 2_500, graceful: 2_500, merciless: 2_500 })

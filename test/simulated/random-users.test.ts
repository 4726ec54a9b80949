import { testChances } from './test-chances.ts'

// What users do. Where clocks disagree by more than a token's life, refreshes have no end: each of those runs is a long one.

testChances('REQ-116: I1 to I7, whatever the order of things', { users: 6_600, ownClocks: 60 })

import { testChances } from './test-chances.ts'

// Users who leave their tabs alone, several APIs, and all of it at once.

testChances('I1 to I7, whatever the order of things', { idle: 1_500, apis: 1_000, apisOfLives: 1_000, everything: 2_500 })

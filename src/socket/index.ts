export { keepConnected } from './keep-connected.ts'

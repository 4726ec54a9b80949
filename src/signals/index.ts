export { applySignal, type Signal, type SignalAction } from './apply-signal.ts'

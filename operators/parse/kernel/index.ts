/** What the host calls. */
export { duplicate, failedAt, failure, halfPairAt, scan, setUp } from './scan'
export { findings, judge, target } from './shape'

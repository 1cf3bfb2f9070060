/** A file of its own, so that configuration need not load the cache. */

/** What a cache may hold unless it is configured: ten GiB. */
export const defaultCacheBytes = 10 * 2 ** 30

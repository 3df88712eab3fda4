/**
 * Room in a Map or a Set that remembers no more than so many, in the order in which they came: when it is full, the oldest sixteenth is forgotten at once.
 *
 * One at a time would take longer the larger it is (33 µs with 65,536 entries): a Map keeps the places of deleted entries until it is rebuilt, and whoever
 * looks for the first one passes over all of them.
 */

const SHARE = 16

/** To be called before an entry is added. `forget` deletes the key. */
export function makeRoom<K>(full: { readonly size: number; keys(): Iterable<K> }, limit: number, forget: (key: K) => void): void {
  if (full.size < limit) return
  let left = Math.ceil(limit / SHARE)
  for (const key of full.keys()) {
    forget(key)
    left -= 1
    if (left === 0) return
  }
}

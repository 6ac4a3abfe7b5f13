/**
 * The app's one database: a store of named values, written durably.
 *
 * Page and worker open it each for themselves. Only structured values lie in it
 * (keys that cannot be exported, wrapped bytes, small records): never a PIN and
 * nothing that tests one (docs/split-keys.md §3.2).
 */

const NAME = 'tianweitong'
const STORE = 'kv'

let opening: Promise<IDBDatabase> | undefined

function open(): Promise<IDBDatabase> {
  opening ??= new Promise<IDBDatabase>((resolve, reject) => {
    const request = indexedDB.open(NAME, 1)
    request.onupgradeneeded = () => {
      request.result.createObjectStore(STORE)
    }
    request.onblocked = () => reject(new DOMException('the database is held by an older page', 'InvalidStateError'))
    request.onerror = () => reject(request.error ?? new DOMException('the database does not open', 'UnknownError'))
    request.onsuccess = () => {
      const db = request.result
      const forget = () => {
        opening = undefined
      }
      db.onversionchange = () => {
        db.close()
        forget()
      }
      db.onclose = forget
      resolve(db)
    }
  }).catch((e: unknown) => {
    opening = undefined
    throw e
  })
  return opening
}

/**
 * Runs f in one transaction and resolves with its result once the transaction is
 * complete; a write is complete when a power cut would not undo it. f must not
 * await anything but the store's own requests.
 */
export async function transact<T>(mode: IDBTransactionMode, f: (store: IDBObjectStore, give: (value: T) => void) => void): Promise<T> {
  const db = await open()
  return new Promise<T>((resolve, reject) => {
    const t = db.transaction(STORE, mode, { durability: mode === 'readwrite' ? 'strict' : 'default' })
    let result: T
    t.oncomplete = () => resolve(result)
    t.onabort = () => reject(t.error ?? new DOMException('the write was stopped', 'AbortError'))
    try {
      f(t.objectStore(STORE), (value) => {
        result = value
      })
    } catch (e) {
      t.abort()
      reject(e as Error)
    }
  })
}

/** Whether this browser gives the page a database at all. */
export function opens(): Promise<boolean> {
  return open().then(
    () => true,
    () => false,
  )
}

/** Reads a value; undefined if there is none. */
export function get<T>(key: string): Promise<T | undefined> {
  return transact('readonly', (s, give: (v: T | undefined) => void) => {
    const r = s.get(key)
    r.onsuccess = () => give(r.result as T | undefined)
  })
}

/** Writes a value durably. */
export function put(key: string, value: unknown): Promise<void> {
  return transact('readwrite', (s) => {
    s.put(value, key)
  })
}

/** Deletes a value, if it is there. */
export function remove(key: string): Promise<void> {
  return transact('readwrite', (s) => {
    s.delete(key)
  })
}

/**
 * Writes a value unless there is one, and gives the one that stands: two tabs
 * that make a key at once end up with the same.
 */
export function putOnce<T>(key: string, value: T): Promise<T> {
  return transact('readwrite', (s, give: (v: T) => void) => {
    const r = s.get(key)
    r.onsuccess = () => {
      if (r.result !== undefined) {
        give(r.result as T)
        return
      }
      s.put(value, key)
      give(value)
    }
  })
}

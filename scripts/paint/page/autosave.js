// What survives a reload: states by key in IndexedDB, or until then in memory where the browser keeps none.

const STORE = "states";
const memory = new Map(); // states that could not be stored
let opening = null;

/**
 * Keep a state under a key; it replaces the one before.
 *
 * @param {string} key
 * @param {object} state what structuredClone takes, such as {ids: Uint8Array, seed: 7}
 * @returns {Promise<boolean>} whether it survives a reload; never rejects
 */
export async function save(key, state) {
  const copy = structuredClone(state); // as it is now, whatever is drawn meanwhile
  try {
    await transact("readwrite", (store) => store.put(copy, key));
    memory.delete(key);
    return true;
  } catch {
    memory.set(key, copy);
    return false;
  }
}

/** The state last kept under a key, or null; never rejects. */
export async function load(key) {
  if (memory.has(key)) return structuredClone(memory.get(key));
  try {
    return (await transact("readonly", (store) => store.get(key))) ?? null;
  } catch {
    return null;
  }
}

/** Forget the state of a key; never rejects. */
export async function clear(key) {
  memory.delete(key);
  try {
    await transact("readwrite", (store) => store.delete(key));
  } catch {
    // There is no store, so there is nothing in it.
  }
}

/** The result of one request to the store, once it is on disk. */
async function transact(mode, request) {
  opening ??= open();
  try {
    const transaction = (await opening).transaction(STORE, mode);
    const { result } = await new Promise((resolve, reject) => {
      const made = request(transaction.objectStore(STORE));
      transaction.oncomplete = () => resolve(made);
      transaction.onerror = transaction.onabort = () => reject(transaction.error);
    });
    return result;
  } catch (error) {
    opening = null; // the browser may have closed the database: the next call opens it again
    throw error;
  }
}

function open() {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open("paint", 1);
    request.onupgradeneeded = () => request.result.createObjectStore(STORE);
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

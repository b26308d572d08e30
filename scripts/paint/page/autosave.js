// What survives a reload: states in IndexedDB, or until then in memory where the browser keeps none. Each tab keeps its
// own, so that two tabs do not overwrite each other's.

const STORE = "states"; // {tab, time, state} by [key, tab]
const MOST = 8; // tabs of a key whose states stay
const TAB = "paint tab";
const memory = new Map(); // states that could not be stored
const tab = takeTab();
let opening = null;

/**
 * Keep a state under a key; it replaces the one that this tab kept before.
 *
 * @param {string} key
 * @param {object} state what structuredClone takes, such as {ids: Uint8Array, seed: 7}
 * @returns {Promise<boolean>} whether it survives a reload; never rejects
 */
export async function save(key, state) {
  const entry = structuredClone({ tab, time: Date.now(), state }); // as it is now, whatever is drawn meanwhile
  const put = () => transact("readwrite", (store) => store.put(entry, [key, tab]));
  try {
    await put().catch(put); // again, as the browser may have closed the database
    memory.delete(key);
    return true;
  } catch {
    memory.set(key, entry.state);
    return false;
  }
}

/** The state that this tab last kept under a key, else the newest of the other tabs, or null; never rejects. */
export async function load(key) {
  if (memory.has(key)) return structuredClone(memory.get(key));
  try {
    const entries = await transact("readonly", (store) => store.getAll(tabsOf(key)));
    entries.sort((a, b) => b.time - a.time);
    for (const old of entries.slice(MOST)) await transact("readwrite", (store) => store.delete([key, old.tab]));
    return (entries.find((entry) => entry.tab === tab) ?? entries[0])?.state ?? null;
  } catch {
    return null;
  }
}

/** Forget the states of a key, those of all tabs; never rejects. */
export async function clear(key) {
  memory.delete(key);
  try {
    await transact("readwrite", (store) => store.delete(tabsOf(key)));
  } catch {
    // There is no store, so there is nothing in it.
  }
}

/**
 * The name of this tab, the same after a reload.
 *
 * A copy of a tab gets a copy of its sessionStorage: the name is there only while no page of the tab is open.
 */
function takeTab() {
  let name = null;
  const attempt = (action) => {
    try {
      return action();
    } catch {
      return null; // the browser allows no storage
    }
  };
  const take = () => {
    name ??= attempt(() => sessionStorage.getItem(TAB)) ?? String(crypto.getRandomValues(new Uint32Array(2)));
    attempt(() => sessionStorage.removeItem(TAB));
  };
  addEventListener("pagehide", () => attempt(() => sessionStorage.setItem(TAB, name)));
  addEventListener("pageshow", take); // the page may come back as it was
  take();
  return name;
}

/** The keys in the store of all tabs: in IndexedDB, arrays come after strings. */
function tabsOf(key) {
  return IDBKeyRange.bound([key], [key, []]);
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

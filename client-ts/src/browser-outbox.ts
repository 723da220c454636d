/**
 * The outbox in a browser: in IndexedDB, so that edits survive reload and crash of the tab. Loaded only where there is one.
 *
 * A client id belongs to one tab, which holds a Web Lock of its name. A new tab takes over an id that nobody holds,
 * with the edits kept under it, before it makes a new one.
 */

import { randomId, type Clock } from "./clock.js";
import type { BrowserStorage, Draft, Outbox, Saved } from "./outbox.js";

/** How long a reloaded tab waits for its predecessor to let go of its id, in milliseconds. */
const HANDOVER = 1_000;
const STORE = "outbox";

/**
 * Opens the outbox called `name`: those of two servers or accounts are apart.
 *
 * @throws what IndexedDB says where it cannot be opened.
 */
export const browserOutbox = async (name: string, { indexedDB, locks, session }: BrowserStorage, clock: Clock): Promise<Outbox> => {
  const opening = indexedDB.open(name, 1);
  const db = await new Promise<IDBDatabase>((resolve, reject) => {
    opening.onupgradeneeded = () => opening.result.createObjectStore(STORE);
    opening.onsuccess = () => resolve(opening.result);
    opening.onerror = () => reject(opening.error);
  });
  db.onversionchange = () => db.close();

  /** Runs what `act` asks of the store in one transaction, and gives what it gave once that is durable. */
  const transact = <T>(act: (store: IDBObjectStore) => IDBRequest<T> | void, mode: IDBTransactionMode = "readwrite"): Promise<T> =>
    new Promise((resolve, reject) => {
      const transaction = db.transaction(STORE, mode);
      const request = act(transaction.objectStore(STORE));
      transaction.oncomplete = () => resolve(request?.result as T);
      transaction.onabort = () => reject(transaction.error);
    });
  const get = <T>(...key: string[]) => transact<T | undefined>((store) => store.get(key), "readonly");
  // Keys are lists of strings; an empty list sorts after every string, and so ends what begins with `key`.
  const range = (...key: string[]) => IDBKeyRange.bound(key, [...key, []]);
  const keys = (...key: string[]) => transact((store) => store.getAllKeys(range(...key)) as IDBRequest<string[][]>, "readonly");

  let release = () => {};
  /** Takes the lock of a client id and holds it; false if another tab has it. */
  const hold = (id: string, wait?: boolean): Promise<boolean> =>
    new Promise((resolve) => {
      const patience = new AbortController();
      const timer = wait && clock.after(HANDOVER, () => patience.abort());
      locks
        .request(`${name} ${id}`, wait ? { signal: patience.signal } : { ifAvailable: true }, (lock) => {
          clock.cancel(timer);
          resolve(!!lock);
          return lock ? new Promise<void>((done) => (release = done)) : undefined;
        })
        .catch(() => resolve(false));
    });

  const ids = (await keys("client")).map(([, id]) => id!);
  const owners = (await keys("doc")).map(([, id]) => id!);
  const mine = session?.getItem(name);
  // Those with something unsent first, and a reloaded tab's own before all.
  const rank = (id: string) => (id === mine ? 2 : Number(owners.includes(id)));
  let client = "";
  for (const id of ids.sort((a, b) => rank(b) - rank(a))) {
    if (!client && (await hold(id, id === mine))) client = id;
  }
  if (!client) await hold((client = randomId()));
  session?.setItem(name, client);
  let person = randomId();
  await transact<void>((store) => {
    store.put(true, ["client", client]);
    const found = store.get(["person"]);
    found.onsuccess = () => {
      if (found.result) person = found.result;
      else store.put(person, ["person"]);
    };
  });

  return {
    client,
    person,
    async load(doc) {
      const saved = await get<Saved>("doc", client, doc);
      return saved && { ...saved, content: await get<string>("text", client, doc) };
    },
    save: (doc, { content, ...saved }) =>
      transact<void>((store) => {
        store.put(saved, ["doc", client, doc]);
        if (content !== undefined) store.put(content, ["text", client, doc]);
      }),
    clear: (doc) =>
      transact<void>((store) => {
        store.delete(["doc", client, doc]);
        store.delete(["text", client, doc]);
      }),
    unsent: async () => (await keys("doc", client)).map((key) => key[2]!),
    keep: (draft) => transact<void>((store) => void store.put(draft, ["draft", draft.id])),
    drafts: () => transact<Draft[]>((store) => store.getAll(range("draft")), "readonly"),
    discard: (draft) => transact<void>((store) => void store.delete(["draft", draft])),
    release() {
      release();
      db.close();
    },
  };
};

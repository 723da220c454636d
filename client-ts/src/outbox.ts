/** Where edits wait until the server has them: what an outbox does, and the one in memory. */

import { randomId } from "./clock.js";
import type { Kept, Unsent } from "./machine.js";
import type { Op } from "./ot/text.js";

/** What an outbox keeps of a document. */
export interface Saved extends Kept {
  /** What changed the text since `content` was last saved, up to what is on the screen. */
  readonly tail: Op;
  /** The text that `tail` goes on from; left out of a save where the one saved before still holds. */
  readonly content?: string | undefined;
}

/** Edits that could not be carried over, kept for their author. */
export interface Draft extends Unsent {
  /** For {@link Client.discard}. */
  readonly id: string;
  /** The document. */
  readonly doc: string;
  /** Why: a code of the protocol, or the `reset` of an `opened`. */
  readonly reason: string;
  /** When, in milliseconds since 1970. */
  readonly time: number;
}

/** A place where edits wait. What fails rejects; what answers nothing is done at once. */
export interface Outbox {
  /** Secret id of this editing client. */
  readonly client: string;
  /** Secret id of this browser. */
  readonly person: string | undefined;
  load(doc: string): Promise<Saved | undefined>;
  save(doc: string, saved: Saved): Promise<void> | void;
  /** Forgets a document: everything in it was sent. */
  clear(doc: string): Promise<void> | void;
  /** The documents with unsent edits. */
  unsent(): Promise<string[]>;
  keep(draft: Draft): Promise<void> | void;
  drafts(): Promise<Draft[]>;
  discard(id: string): Promise<void>;
  /** Lets another tab take over. */
  release(): void;
}

/** An outbox that keeps nothing but drafts: what is unsent lasts as long as its document's object. */
export const memoryOutbox = (): Outbox => {
  const drafts = new Map<string, Draft>();
  return {
    client: randomId(),
    person: undefined,
    load: async () => undefined,
    save() {},
    clear() {},
    unsent: async () => [],
    keep: (draft) => void drafts.set(draft.id, draft),
    drafts: async () => [...drafts.values()],
    discard: async (id) => void drafts.delete(id),
    release() {},
  };
};

/** What an outbox in a browser is made of. */
export interface BrowserStorage {
  readonly indexedDB: IDBFactory;
  readonly locks: Pick<LockManager, "request">;
  /** Remembers this tab's client id over a reload. */
  readonly session?: Pick<Storage, "getItem" | "setItem"> | undefined;
}

/** What the browser has of it; undefined where something is missing, as in Node. */
export const browserStorage = (): BrowserStorage | undefined => {
  try {
    const { indexedDB, navigator, sessionStorage: session } = globalThis;
    return indexedDB && navigator?.locks && { indexedDB, locks: navigator.locks, session };
  } catch {
    // A sandboxed frame may not even look.
    return undefined;
  }
};

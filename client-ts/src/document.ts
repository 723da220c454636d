/** A document as an application sees it: what it has, what can be done with it, and what it says. */

import type { Events } from "./events.js";
import type { VariorumError } from "./errors.js";
import type { History } from "./history.js";
import type { Source, Unsent } from "./machine.js";
import type { Change } from "./ot/content.js";
import type { Op } from "./ot/text.js";
import type { Peer } from "./presence.js";
import type { Access, State, User } from "./protocol.js";

/**
 * How a document stands with the server: `loading` (its content is not known yet), `saving` (edits are on their way),
 * `saved` (every edit is durable on the server), `offline` (the server cannot be asked; edits wait), `refused` (the server
 * will not have it: see the `error` event).
 */
export type Sync = "loading" | "saving" | "saved" | "offline" | "refused";

/** The text changed. */
export interface ChangeEvent {
  /** The change as one op, in scalar values. */
  readonly op: Op;
  /** The same in UTF-16 code units: ascending, apart, each in places of the text before. */
  readonly changes: readonly Change[];
  /** Where it came from. */
  readonly source: Source;
  /** What was given as `origin` to the call that made it, so that an editor knows its own changes. */
  readonly origin: unknown;
  /** The document's version after it; an own edit is not in it yet. */
  readonly version: number;
  /** Who made it; null for own edits and where several people did. */
  readonly user: User | null;
  /** The connection it was made on; null likewise, and for changes by HTTP. */
  readonly session: string | null;
}

/** The server's content took the place of what was here, because one could not be continued from the other. */
export interface ResetEvent {
  /** `epoch`, `ahead`, `pruned`, `chain`, `diverged`, or the code with which an edit was refused. */
  readonly reason: string;
  /** The own edits that could not be carried over; null if there were none. */
  readonly unsent: Unsent | null;
  /** Under which id they are kept among the client's drafts, until they are discarded; null if there were none. */
  readonly draft: string | null;
}

/** What a document says. */
export interface DocEvents {
  /** The text changed, by anyone. */
  change: ChangeEvent;
  /** {@link Doc.sync} changed. */
  sync: Sync;
  /** {@link Doc.peers} or {@link Doc.people} changed, other than by moving along with the text. */
  presence: readonly Peer[];
  /** A connection came. */
  joined: Peer;
  /** A connection left. */
  left: Peer;
  /** The server's content was taken anew. */
  reset: ResetEvent;
  /** Something went wrong; if it is not final, the client goes on by itself. */
  error: VariorumError;
}

/** Stops waiting, rejecting with the signal's reason. */
export interface Waiting {
  readonly signal?: AbortSignal | undefined;
}

/** A document. Positions and lengths are UTF-16 code units, as in JavaScript strings, except within ops. */
export interface Doc extends Events<DocEvents> {
  /** Its id. */
  readonly id: string;
  /** The text, own edits included. Empty until {@link Doc.ready}. */
  readonly text: string;
  /** The version the text goes on from; 0 until {@link Doc.ready}. */
  readonly version: number;
  /** How it stands with the server. */
  readonly sync: Sync;
  /** What this client may do. */
  readonly access: Access;
  /** Own edits that the server is not known to have; null if it has all of them. */
  readonly unsent: Unsent | null;
  /** Everyone else who is here, up to as many as the server names. The same array until something changes. */
  readonly peers: readonly Peer[];
  /** How many people are here, oneself included; 0 while that is not known. */
  readonly people: number;
  /** Whether there is an own edit to take back. */
  readonly canUndo: boolean;
  /** Whether there is an own edit to do again. */
  readonly canRedo: boolean;
  /** What others see of this user here. */
  readonly presence: {
    /**
     * Shows a state to everyone who has the document open; null shows none. `cursors` are `[anchor, head]` in UTF-16 code
     * units of the text as it is now, and move along with it. At most 2 KiB as JSON.
     *
     * @throws RangeError if a cursor is not within the text.
     */
    set(state: State | null): void;
  };
  /**
   * Resolves once the content is known, from the server or from what this tab kept.
   *
   * @throws {@link VariorumError} if the document cannot be had: `unknown_document`, `forbidden`, `bad_document_id`,
   * `unsupported_kind`, `closed`.
   */
  ready(waiting?: Waiting): Promise<Doc>;
  /**
   * Resolves once every edit made so far is durable on the server.
   *
   * @throws {@link VariorumError} with the code with which an edit was refused, or the document closed or reset.
   */
  flushed(waiting?: Waiting): Promise<void>;
  /**
   * Inserts `text` at `position`. Like every edit it is seen at once, and sent by itself.
   *
   * A position inside a surrogate pair counts as the pair's beginning, and a range takes pairs whole; half a pair in
   * `text` becomes U+FFFD.
   *
   * @throws {@link VariorumError} `not_ready` before the content is known, `read_only` if it may only be read.
   * @throws RangeError if the position is not within the text.
   */
  insert(position: number, text: string): void;
  /** Deletes `length` code units from `position`. Throws as {@link Doc.insert}. */
  delete(position: number, length: number): void;
  /** Puts `text` in the place of `length` code units from `position`. Throws as {@link Doc.insert}. */
  replace(position: number, length: number, text: string): void;
  /**
   * Makes several changes as one edit: ascending and apart, each in places of the text before. `origin` is told to
   * listeners. Throws as {@link Doc.insert}.
   */
  edit(changes: readonly Change[], origin?: unknown): void;
  /**
   * Applies an op of the protocol, whose lengths are **scalar values** and which covers the whole text. Neighbours are
   * merged and empty parts left out.
   *
   * @throws {@link VariorumError} `length_mismatch` if it does not cover the text, `bad_op` if it is none; else as
   * {@link Doc.insert}.
   */
  apply(op: Op, origin?: unknown): void;
  /**
   * Takes back one's own last edits, up to a pause in typing. What others did stays. Text that others deleted as well
   * comes back too.
   *
   * @returns whether there was something to take back.
   */
  undo(): boolean;
  /** Does again what {@link Doc.undo} took back, until the next edit. Returns whether there was something. */
  redo(): boolean;
  /** The document's past: its code is loaded when this is first called. */
  history(): Promise<History>;
  /**
   * Lets go of the document; each `open` is closed once. The last one ends it as soon as every edit is durable on the
   * server; until then it goes on in the background, and `await doc.flushed()` waits for that.
   */
  close(): void;
}

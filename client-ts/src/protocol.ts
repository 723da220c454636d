/** Every message of the protocol, version 1, as types; no code. Positions and lengths on the wire are scalar values. */

import type { Op } from "./ot/text.js";

/** A person, as everyone may see them. */
export interface User {
  /** Stable public id. */
  readonly id: string;
  /** The name to show; may be empty. It is text from a stranger: never make it HTML. */
  readonly name: string;
}

/** A place in a document's history. Epoch and chain are kept and given back, never understood. */
export interface Place {
  /** The incarnation of the document. */
  readonly epoch: string;
  /** How many revisions lead here. */
  readonly version: number;
  /** Fingerprint of the history up to here. */
  readonly chain: string;
}

/** How to make a document that is not there. */
export interface Create {
  /** The kind of document; this client edits `text`. */
  readonly kind: "text";
  /** What it begins with. */
  readonly content?: string;
}

/** What a person shows of themselves in a document: any JSON of at most 2 KiB. */
export interface State {
  /** Cursors and selections as `[anchor, head]`. */
  readonly cursors?: readonly (readonly [anchor: number, head: number])[];
  /** Whether they are typing. */
  readonly typing?: boolean;
  /** The colour they are shown in. */
  readonly color?: string;
  readonly [name: string]: unknown;
}

export interface RevisionItem {
  readonly version: number;
  /** The version before it; left out where that is `version - 1`. */
  readonly from?: number;
  readonly op: Op;
  readonly chain: string;
  readonly time: number;
  readonly session?: string | null;
  readonly user?: User;
  /** Only on the edit that the client asked about with `pending`. */
  readonly seq?: number;
}

export interface Presence {
  readonly count: number;
  readonly joined?: readonly { readonly session: string; readonly user: User }[];
  readonly left?: readonly string[];
  readonly states?: readonly { readonly session: string; readonly version: number; readonly state: State | null }[];
}

/** What the server bounds; a server may leave any out. */
export interface Limits {
  readonly frame_bytes?: number;
  readonly op_bytes?: number;
  readonly op_parts?: number;
  readonly document_length?: number;
  readonly documents?: number;
  readonly presence_bytes?: number;
  readonly name_length?: number;
  readonly edits_per_second?: number;
  readonly idle_ms?: number;
}

/** What a client may do with a document. */
export type Access = "read" | "write";

export interface EditMessage {
  readonly type: "edit";
  readonly doc: string;
  readonly version: number;
  readonly seq: number;
  readonly op: Op;
}

export interface OpenMessage {
  readonly type: "open";
  readonly doc: string;
  readonly create?: Create | undefined;
  readonly from?: Place | undefined;
  readonly pending?: number | undefined;
}

export type ClientMessage =
  | {
      readonly type: "hello";
      readonly protocol: 1;
      readonly client: string;
      readonly token?: string | undefined;
      readonly name?: string | undefined;
      readonly person?: string | undefined;
    }
  | OpenMessage
  | EditMessage
  | { readonly type: "presence"; readonly doc: string; readonly version: number; readonly state: State | null }
  | { readonly type: "check"; readonly doc: string; readonly version: number; readonly sum: string }
  | { readonly type: "close"; readonly doc: string }
  | { readonly type: "ping" };

export interface OpenedMessage extends Place {
  readonly type: "opened";
  readonly doc: string;
  readonly kind: string;
  readonly access: Access;
  readonly taken: { readonly seq: number; readonly version: number } | null;
  readonly presence?: Presence;
  readonly content?: string;
  readonly reset?: string;
  readonly revisions?: readonly RevisionItem[];
}

/** What the server says about one document. */
export type DocMessage =
  | OpenedMessage
  | ({ readonly type: "revision"; readonly doc: string } & RevisionItem)
  | {
      readonly type: "ack";
      readonly doc: string;
      readonly seq: number;
      readonly version: number;
      readonly chain: string;
      readonly time: number;
    }
  | { readonly type: "refused"; readonly doc: string; readonly seq: number; readonly code: string; readonly message: string }
  | ({ readonly type: "presence"; readonly doc: string } & Presence)
  | { readonly type: "checked" | "diverged"; readonly doc: string; readonly version: number }
  | { readonly type: "closed"; readonly doc: string; readonly code: string; readonly message: string }
  | ErrorMessage;

export interface ErrorMessage {
  readonly type: "error";
  readonly code: string;
  readonly message: string;
  readonly doc?: string;
  readonly seq?: number;
  readonly reply_to?: string;
  readonly retry_ms?: number;
}

export type ServerMessage =
  | DocMessage
  | {
      readonly type: "welcome";
      readonly protocol: number;
      readonly session: string;
      readonly user: User;
      readonly server: string;
      readonly limits?: Limits;
    }
  | { readonly type: "pong" }
  | { readonly type: "draining"; readonly retry_ms: number };

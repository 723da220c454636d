/** A document's past, asked over HTTP: who changed what and when, any version, what differs, labels, taking back. Loaded on demand. */

import { randomId } from "./clock.js";
import { VariorumError, type ErrorCode } from "./errors.js";
import type { Op } from "./ot/text.js";
import type { User } from "./protocol.js";

/** Neighbouring revisions of one person, up to a pause. */
export interface Stretch {
  /** The version before its first revision. */
  readonly from: number;
  /** The version after its last one. */
  readonly version: number;
  /** Who made them. */
  readonly user: User;
  /** The time of its first revision, in milliseconds since 1970. */
  readonly began: number;
  /** The time of its last one. */
  readonly time: number;
  /** Scalar values added, revision by revision. */
  readonly added: number;
  /** Scalar values removed, revision by revision. */
  readonly removed: number;
}

/** Some of a document's stretches, newest first. */
export interface Stretches {
  /** The newest version. */
  readonly head: number;
  readonly stretches: readonly Stretch[];
  /** What to give as `before` for the next ones. */
  readonly before: number;
  /** Whether there are any. */
  readonly more: boolean;
}

/** A document as it was. */
export interface Snapshot {
  readonly version: number;
  /** The text. */
  readonly content: string;
  /** When it came to be so, in milliseconds since 1970. */
  readonly time: number;
}

/** A run of text that one person added or removed, or that stayed. */
export interface DiffRun {
  readonly sort: "kept" | "added" | "removed";
  /** In scalar values. */
  readonly length: number;
  /** The text; of kept runs only where it was asked for. */
  readonly text?: string;
  /** Who, as a place in `users`; left out where it was kept. */
  readonly user?: number;
  /** When, in milliseconds since 1970; left out where it was kept. */
  readonly time?: number;
}

/** What differs between two versions. */
export interface Diff {
  readonly from: number;
  readonly to: number;
  /** The same as one op. */
  readonly op: Op;
  /** Scalar values. */
  readonly added: number;
  /** Scalar values. */
  readonly removed: number;
  readonly users: readonly User[];
  /** In order of the text. */
  readonly runs: readonly DiffRun[];
}

/** A run of text by one person. */
export interface BlameRun {
  /** In scalar values. */
  readonly length: number;
  readonly text: string;
  /** Who, as a place in `users`. */
  readonly user: number;
  /** The last of the revisions that made it. */
  readonly version: number;
  /** When, in milliseconds since 1970. */
  readonly time: number;
}

/** Who wrote what is there at a version. */
export interface Blame {
  readonly version: number;
  readonly users: readonly User[];
  /** In order of the text. */
  readonly runs: readonly BlameRun[];
  /** Whether there is more than the server tells at once. */
  readonly more: boolean;
}

/** A name given to a version. */
export interface Label {
  readonly name: string;
  readonly version: number;
  readonly author: User;
  /** When it was given, in milliseconds since 1970. */
  readonly time: number;
  readonly note: string;
}

/** What a restore did. */
export interface Restored {
  /** The newest version after it; left out of a preview. */
  readonly version?: number;
  /** What it did, as one op. */
  readonly op: Op;
  /** What could not be taken back cleanly: both sides had deleted it. */
  readonly unclean: readonly { readonly at: number; readonly text: string }[];
}

/** What to take back: everything since a version, or what one stretch did, all or one person's. */
export type Restore = { readonly version: number } | { readonly from: number; readonly to: number; readonly user?: string };

/** How to ask; stops with the signal. */
export interface Asking {
  readonly signal?: AbortSignal | undefined;
}

/**
 * A document's past. Every method asks the server.
 *
 * @throws {@link VariorumError} with the server's code; `connection` where it cannot be asked.
 */
export interface History {
  /** Who changed it and when, newest first. `before` a version; of one `author`, by user id; at most `limit`; `pause` ends a stretch, in milliseconds. */
  stretches(of?: { readonly before?: number; readonly author?: string; readonly limit?: number; readonly pause?: number } & Asking): Promise<Stretches>;
  /** The document as it was at a version. */
  at(version: number, asking?: Asking): Promise<Snapshot>;
  /** What differs between two versions, with the text that stayed too. */
  diff(from: number, to: number, asking?: Asking): Promise<Diff>;
  /** Who wrote what is there at a version. */
  blame(version: number, asking?: Asking): Promise<Blame>;
  /** The names given to versions, by version. */
  labels(asking?: Asking): Promise<readonly Label[]>;
  /** Names a version. Rejects with `label_exists` if the name is another's. */
  label(name: string, version: number, note?: string): Promise<Label>;
  /** Takes a name away. */
  unlabel(name: string): Promise<void>;
  /** Takes changes back, as a new revision that comes to everyone as any other; once, however often its answer is lost. With `preview` it only says what it would do. */
  restore(what: Restore, options?: { readonly preview?: boolean }): Promise<Restored>;
}

/** How many times a request is made whose answer was lost. */
const TRIES = 3;

/** The past of a document of the server whose socket is at `address`. `token` is asked as for a connection. */
export const createHistory = (doc: string, address: string, token: (reason: "connect" | "unauthorized") => Promise<string | undefined>): History => {
  const base = `${address.replace(/^ws/, "http").replace(/connect$/, "docs/")}${encodeURIComponent(doc)}`;
  const ask = async <T>(path: string, query: Readonly<Record<string, string | number | boolean | undefined>> = {}, init: RequestInit = {}): Promise<T> => {
    const url = new URL(base + path);
    for (const [name, value] of Object.entries(query)) if (value !== undefined) url.searchParams.set(name, String(value));
    for (let attempt = 1, reason: "connect" | "unauthorized" = "connect"; ; attempt++) {
      let answer;
      try {
        const bearer = await token(reason);
        answer = await fetch(url, { ...init, headers: { ...init.headers, ...(bearer && { authorization: `Bearer ${bearer}` }) } });
      } catch (cause) {
        if (init.signal?.aborted || attempt >= TRIES) throw cause instanceof VariorumError || init.signal?.aborted ? cause : new VariorumError("connection", "the server cannot be asked", doc, { cause });
        continue;
      }
      if (answer.status === 204) return undefined as T;
      const body: unknown = await answer.json().catch(() => ({}));
      if (answer.ok) return body as T;
      if (answer.status === 401 && reason === "connect") reason = "unauthorized";
      else {
        const { code = "internal", message = `the server answered ${answer.status}` } = (body as { error?: { code?: ErrorCode; message?: string } }).error ?? {};
        throw new VariorumError(code, message, doc);
      }
    }
  };
  const json = (method: string, body: unknown, headers: Record<string, string> = {}): RequestInit => ({ method, body: JSON.stringify(body), headers: { "content-type": "application/json", ...headers } });
  const when = ({ signal }: Asking = {}): RequestInit => (signal ? { signal } : {});
  const named = (name: string) => `/labels/${encodeURIComponent(name)}`;
  return {
    stretches: ({ before, author, limit, pause, signal } = {}) => ask("/history", { before, author, limit, pause_ms: pause }, when({ signal })),
    at: (version, asking) => ask("", { version }, when(asking)),
    diff: (from, to, asking) => ask("/diff", { from, to, kept: true }, when(asking)),
    blame: (version, asking) => ask("/blame", { version }, when(asking)),
    labels: async (asking) => (await ask<{ labels: readonly Label[] }>("/labels", {}, when(asking))).labels,
    label: (name, version, note) => ask(named(name), {}, json("PUT", { version, note })),
    unlabel: (name) => ask(named(name), {}, { method: "DELETE" }),
    restore: (what, { preview } = {}) => ask("/restore", {}, json("POST", { ...what, preview }, { "idempotency-key": randomId() })),
  };
};

/**
 * What a client does about one document: a state machine with no socket, no clock and no randomness in it.
 *
 * It is *synchronized* (nothing unsent), *awaiting* (`inflight`) or *awaiting with buffer* (`inflight` and `buffer`). An
 * op once sent changes only by being moved past others' revisions, and nothing is ever composed into it.
 *
 * ```text
 *   server's text ── inflight ──▶ ── buffer ──▶ text on the screen
 *        │                │                │
 *     revision    moved past inflight   moved past both: what the screen is changed by
 *        ▼                ▼                ▼
 *                 ── inflight' ─▶ ── buffer' ─▶
 * ```
 */

import { VariorumError, type ErrorCode } from "./errors.js";
import { Content, difference, type Applied } from "./ot/content.js";
import { compose, composeTyping, isIdentity, transform, type Op } from "./ot/text.js";
import type { Access, Create, DocMessage, EditMessage, OpenedMessage, OpenMessage, Place, RevisionItem, User } from "./protocol.js";

/**
 * Where a change came from: `local` (this client's edit), `undo` (its undo or redo), `remote` (another's), `load` (the
 * content became known), `reset` (the server's content took the place of what was here).
 */
export type Source = "local" | "undo" | "remote" | "load" | "reset";

/** Edits that cannot be sent as they are: what a person typed and the server never took. */
export interface Unsent {
  /** Them as one op over the text that the server had when they were made; lengths are scalar values. */
  readonly op: Op;
  /** What they inserted, each run by itself. */
  readonly inserted: readonly string[];
  /** The whole text as its author saw it, unsent edits included. */
  readonly text: string;
}

/** A change of the screen. */
export interface Changed extends Applied {
  readonly op: Op;
  readonly source: Source;
  readonly version: number;
  readonly session: string | null;
  readonly user: User | null;
}

/** Where a machine says what is to be done. What is called must not call back into the machine. */
export interface Outputs {
  send(message: EditMessage | OpenMessage): void;
  changed(change: Changed): void;
  /** The server's content was taken anew; `unsent` is what could not be carried over. */
  reset(reason: string, unsent: Unsent | null): void;
  failed(error: VariorumError): void;
  /** To be opened again, or the edit in flight sent again: after `ms`, or a while if that is undefined. */
  later(ms: number | undefined): void;
}

/** What must be kept to continue after a reload. */
export interface Kept {
  readonly place: Place;
  /** The last seq used. */
  readonly seq: number;
  readonly inflight: Op | undefined;
  readonly buffer: Op | undefined;
}

/** How many revisions are remembered, for presence that lags behind. */
const RECENT = 256;

/** Errors after which the same request may succeed. */
export const PASSING = ["storage_unavailable", "shutting_down", "internal", "too_many_documents", "rate_limited", "document_damaged", "replaced"];

/** What is known about one document, and what to do at each input. */
export interface Machine {
  /** How to make the document if it is not there; undefined if it is not to be made. */
  create: Create | undefined;
  /** What is on the screen: the server's text, `inflight` and `buffer`. Undefined until it is known. */
  readonly text: Content | undefined;
  /** The last revision or ack taken. Defined together with `text`. */
  readonly place: Place | undefined;
  /** The last seq used. */
  readonly seq: number;
  /** The edit whose fate is not known, as moved so far; its seq is `seq`. */
  readonly inflight: Op | undefined;
  /** What was typed since, over the text that `inflight` leaves. */
  readonly buffer: Op | undefined;
  /** `closed`: to be opened; `opening`: asked for; `refused`: it cannot be had, and is not asked for again by itself. */
  readonly phase: "closed" | "opening" | "open" | "refused";
  /** What the server lets this client do. */
  readonly access: Access;
  /** Why the server's content must be taken anew, if it must: then nothing is sent, and `from` is not named. */
  readonly lost: string | undefined;
  /** The newest revisions with their places in history, oldest first. */
  readonly recent: readonly { readonly version: number; readonly op: Op }[];
  /** Whether every edit is known to be durable. */
  readonly saved: boolean;
  /** What the server is not known to have. */
  readonly unsent: Unsent | null;
  /** What to keep; undefined where nothing is unsent. */
  readonly kept: Kept | undefined;
  /** Continues from what was kept. `screen` is what was on the screen. */
  restore(kept: Kept, screen: string): void;
  /** Asks for the document, on a connection that is there. */
  open(): void;
  /** The connection is gone; or, with `wanted`, someone asks again for what was refused. */
  disconnected(wanted?: boolean): void;
  /** An edit of this client's, over the text on the screen: a well-formed op. */
  edit(op: Op, source?: "local" | "undo"): void;
  /** A message from the server about this document. */
  receive(message: DocMessage): void;
  /** Does again what a passing error stopped. */
  retry(): void;
}

/** The machine of the document with the id `doc`. */
export const createMachine = (doc: string, out: Outputs): Machine => {
  let text: Content | undefined;
  let place: Place | undefined;
  let seq = 0;
  let inflight: Op | undefined;
  let buffer: Op | undefined;
  let phase: Machine["phase"] = "closed";
  let access: Access = "write";
  let lost: string | undefined;
  const recent: { readonly version: number; readonly op: Op }[] = [];
  /** Whether the document was opened anew for a hole that nothing has filled yet: at another, the place itself is bad. */
  let shaky = false;

  const saved = () => !inflight && !buffer;

  const unsent = (): Unsent | null => {
    const op = inflight && buffer ? compose(inflight, buffer) : (inflight ?? buffer);
    return op && !isIdentity(op) ? { op, inserted: op.filter((part) => typeof part === "string"), text: String(text) } : null;
  };

  const fault = (code: string, message: string): void => out.failed(new VariorumError(code as ErrorCode, message, doc));

  const open = (): void => {
    phase = "opening";
    out.send({ type: "open", doc, create: machine.create, from: lost ? undefined : place, pending: inflight && seq });
  };

  /** Sends the edit in flight (again); if there is none, the buffer. */
  const send = (): void => {
    if (phase !== "open") return;
    if (!inflight && buffer) {
      // Typed and taken back, or deleted by someone else meanwhile: there is nothing to ask for.
      if (!isIdentity(buffer)) {
        inflight = buffer;
        seq++;
      }
      buffer = undefined;
    }
    if (inflight) out.send({ type: "edit", doc, version: place!.version, seq, op: inflight });
  };

  /** The document cannot be had: for a while, or until someone asks for it again. */
  const fail = (code: string, message: string, ms?: number): void => {
    const passing = PASSING.includes(code);
    phase = passing ? "closed" : "refused";
    fault(code, message);
    if (passing) out.later(ms);
    else if (text && (code === "deleted" || code === "unknown_document")) {
      // There is nothing to continue, ever: what is unsent would wait for nobody.
      const left = unsent();
      inflight = buffer = undefined;
      lost = code;
      if (left) out.reset(code, left);
    }
  };

  /** Opens anew without `from`; what is unsent is handed over when the server's text is here. */
  const lose = (code: string, message: string): void => {
    if (lost) return fail("internal", message);
    lost = code;
    fault(code, message);
    open();
  };

  const change = (op: Op, source: Source, version = place!.version, session: string | null = null, user: User | null = null): void => {
    const applied = text!.apply(op);
    if (!isIdentity(op)) out.changed({ ...applied, op, source, version, session, user });
  };

  /** Puts `screen` on the screen, as one change of what differs. */
  const replace = (screen: string, source: Source): void => {
    text ??= new Content("");
    change(text.op([difference(String(text), screen)]), source);
  };

  /** Takes a revision that leads on from `from`, with the text's part of it done by `act`. */
  const advance = ({ version, from = version - 1, chain }: Granted, op: Op, act: () => void): void => {
    const { version: at, epoch } = place!;
    // A repeated answer.
    if (version <= at) return;
    if (from !== at) throw new VariorumError("reset", `version ${version} follows ${from}, and ${at} is the last known`);
    act();
    place = { epoch, version, chain };
    shaky = false;
    if (recent.push({ version, op }) > RECENT) recent.shift();
  };

  const revision = (item: RevisionItem): void =>
    advance(item, item.op, () => {
      let moved = item.op;
      let first = inflight;
      let next = buffer;
      if (first) [first, moved] = transform(first, moved);
      if (next) [next, moved] = transform(next, moved);
      // Nothing is changed until all of it has proven to fit.
      change(moved, "remote", item.version, item.session, item.user);
      inflight = first;
      buffer = next;
    });

  const ack = (granted: Granted): void =>
    advance(granted, inflight!, () => {
      inflight = undefined;
    });

  const opened = (message: OpenedMessage): void => {
    const { kind, epoch, version, chain, content, revisions = [] } = message;
    const taken = message.taken?.seq ?? 0;
    access = message.access;
    if (kind !== "text") return fail("unsupported_kind", `the document is a ${kind}, not text`);
    if (content != null) {
      // An edit at or below what this epoch has taken is in the content: only what came after it is unsent.
      if (epoch === place?.epoch && taken >= seq) inflight = undefined;
      const reason = lost ?? message.reset ?? (text && "reset");
      const left = unsent();
      lost = inflight = buffer = undefined;
      recent.length = 0;
      place = { epoch, version, chain };
      replace(content, reason ? "reset" : "load");
      if (reason) out.reset(reason, left);
    } else {
      if (place) for (const item of revisions) inflight && item.seq === seq ? ack(item) : revision(item);
      if (place?.version !== version || (inflight && taken >= seq)) {
        throw new VariorumError("reset", `the revisions do not end at version ${version}`);
      }
    }
    phase = "open";
    seq = Math.max(seq, taken);
    send();
  };

  const receive = (message: DocMessage): void => {
    const { type } = message;
    const opening = phase === "opening";
    if (type === "opened") return opening ? opened(message) : undefined;
    // Code `closed` answers the `close` of an earlier opening.
    if (type === "closed") return message.code === "closed" ? undefined : fail(message.code, message.message, message.code === "replaced" ? 0 : undefined);
    if (type === "error" && opening && message.reply_to === "open") return fail(message.code, message.message, message.retry_ms);
    // What still arrives for an earlier opening is covered by the answer to the next one.
    if (phase !== "open") return;
    const mine = inflight && (message as { seq?: number }).seq === seq;
    if (type === "revision") revision(message);
    else if (type === "diverged") lose(type, `the server has another text at version ${message.version}`);
    else if (type === "error") {
      fault(message.code, message.message);
      if (message.code === "not_open") open();
      else if (mine) out.later(message.retry_ms);
    } else if (mine && type === "refused") lose(message.code, message.message);
    else if (mine && type === "ack") {
      ack(message);
      send();
    }
  };

  const machine: Machine = {
    create: undefined,
    get text() {
      return text;
    },
    get place() {
      return place;
    },
    get seq() {
      return seq;
    },
    get inflight() {
      return inflight;
    },
    get buffer() {
      return buffer;
    },
    get phase() {
      return phase;
    },
    get access() {
      return access;
    },
    get lost() {
      return lost;
    },
    recent,
    get saved() {
      return saved();
    },
    get unsent() {
      return unsent();
    },
    get kept() {
      return place && !saved() ? { place, seq, inflight, buffer } : undefined;
    },
    restore(kept, screen) {
      ({ place, seq, inflight, buffer } = kept);
      replace(screen, "load");
    },
    open,
    disconnected(wanted) {
      // What was refused may be had on the next one, with another token; what is gone may not.
      if (wanted || phase !== "refused" || !lost) phase = "closed";
    },
    edit(op, source = "local") {
      if (!text) throw new VariorumError("not_ready", "still loading: await ready() before editing", doc);
      if (access === "read") throw new VariorumError("read_only", "this document may only be read here", doc);
      change(op, source);
      if (isIdentity(op)) return;
      buffer = buffer ? composeTyping(buffer, op) : op;
      if (!inflight) send();
    },
    receive(message) {
      try {
        receive(message);
      } catch (error) {
        if (!(error instanceof VariorumError)) throw error;
        // A hole is asked for once more; an op that does not fit, or a second hole, means another text than the server's.
        const { code } = error;
        if (code !== "reset" || shaky) return lose(code === "reset" ? code : "diverged", error.message);
        shaky = true;
        out.failed(error);
        open();
      }
    },
    retry() {
      if (phase === "closed") open();
      else send();
    },
  };
  return machine;
};

/** What an ack and a revision have in common. */
interface Granted {
  readonly version: number;
  readonly from?: number;
  readonly chain: string;
}

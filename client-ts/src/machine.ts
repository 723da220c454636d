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

/** What a machine asks to be done, in order. */
export type Effect =
  | { readonly type: "send"; readonly message: EditMessage | OpenMessage }
  | {
      readonly type: "change";
      readonly op: Op;
      readonly applied: Applied;
      readonly source: Source;
      readonly version: number;
      readonly session: string | null;
      readonly user: User | null;
    }
  /** The server's content was taken anew; `unsent` is what could not be carried over. */
  | { readonly type: "reset"; readonly reason: string; readonly unsent: Unsent | null }
  | { readonly type: "error"; readonly error: VariorumError }
  /** To be opened again, or the edit in flight sent again, after a while. */
  | { readonly type: "retry"; readonly ms: number | undefined };

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

export class Machine {
  /** What is on the screen: the server's text, `inflight` and `buffer`. Undefined until it is known. */
  text: Content | undefined;
  /** The last revision or ack taken. Defined together with `text`. */
  place: Place | undefined;
  /** The last seq used. */
  seq = 0;
  /** The edit whose fate is not known, as moved so far; its seq is `seq`. */
  inflight: Op | undefined;
  /** What was typed since, over the text that `inflight` leaves. */
  buffer: Op | undefined;
  /** `closed`: to be opened; `opening`: asked for; `refused`: it cannot be had, and is not asked for again by itself. */
  phase: "closed" | "opening" | "open" | "refused" = "closed";
  /** What the server lets this client do. */
  access: Access = "write";
  /** Why the server's content must be taken anew, if it must: then nothing is sent, and `from` is not named. */
  lost: string | undefined;
  /** The newest revisions with their places in history, oldest first. */
  readonly recent: { readonly version: number; readonly op: Op }[] = [];
  /** Whether the document was opened anew for a hole that nothing has filled yet: at another, the place itself is bad. */
  #shaky = false;
  /** What the input under way asks for. */
  #effects: Effect[] = [];

  constructor(
    readonly doc: string,
    readonly create?: Create,
  ) {}

  /** Continues from what was kept. `text` is what was on the screen. */
  restore(kept: Kept, text: string): Effect[] {
    this.place = kept.place;
    this.seq = kept.seq;
    this.inflight = kept.inflight;
    this.buffer = kept.buffer;
    this.#replace(text, "load");
    return this.#done();
  }

  /** What to keep; undefined where nothing is unsent. */
  keep(): Kept | undefined {
    const { place, seq, inflight, buffer } = this;
    return place && (inflight || buffer) && { place, seq, inflight, buffer };
  }

  /** Whether every edit is known to be durable. */
  get saved(): boolean {
    return !this.inflight && !this.buffer;
  }

  /** What the server is not known to have. */
  get unsent(): Unsent | null {
    const { inflight, buffer } = this;
    const op = inflight && buffer ? compose(inflight, buffer) : (inflight ?? buffer);
    return op && !isIdentity(op) ? { op, inserted: op.filter((part) => typeof part === "string"), text: String(this.text) } : null;
  }

  /** Asks for the document, on a connection that is there. */
  open(): Effect[] {
    this.#open();
    return this.#done();
  }

  /** The connection is gone. */
  disconnected(): void {
    if (this.phase !== "refused") this.phase = "closed";
  }

  /** An edit of this client's, over the text on the screen: a well-formed op. */
  edit(op: Op, source: "local" | "undo" = "local"): Effect[] {
    if (!this.text) throw new VariorumError("not_ready", "the document is still loading: await ready() before editing it", this.doc);
    if (this.access === "read") throw new VariorumError("read_only", "this document may only be read here", this.doc);
    this.#change(op, source);
    if (!isIdentity(op)) {
      this.buffer = this.buffer ? composeTyping(this.buffer, op) : op;
      this.#flush();
    }
    return this.#done();
  }

  /** A message from the server about this document. */
  receive(message: DocMessage): Effect[] {
    try {
      this.#receive(message);
    } catch (error) {
      if (!(error instanceof VariorumError)) throw error;
      // A hole is asked for once more; an op that does not fit, or a second hole, means another text than the server's.
      if (error.code === "reset" && !this.#shaky) {
        this.#shaky = true;
        this.#effects.push({ type: "error", error });
        this.#open();
      } else this.#lose(error.code === "reset" ? "reset" : "diverged", error.message);
    }
    return this.#done();
  }

  /** Does again what a passing error stopped. */
  retry(): Effect[] {
    if (this.phase === "open") this.#resend();
    else if (this.phase === "closed") this.#open();
    return this.#done();
  }

  #receive(message: DocMessage): void {
    // What still arrives for an earlier opening is covered by the answer to the next one.
    const open = this.phase === "open";
    const mine = open && this.inflight && (message as { seq?: number }).seq === this.seq;
    switch (message.type) {
      case "opened":
        if (this.phase === "opening") this.#opened(message);
        break;
      case "revision":
        if (open) this.#revision(message);
        break;
      case "ack":
        if (mine) this.#ack(message);
        break;
      case "refused":
        if (mine) this.#lose(message.code, message.message);
        break;
      case "diverged":
        if (open) this.#lose("diverged", `the server has another text at version ${message.version}`);
        break;
      case "closed":
        // Code `closed` answers the `close` of an earlier opening.
        if (message.code !== "closed") this.#fail(message.code, message.message, message.code === "replaced" ? 0 : undefined);
        break;
      case "error":
        if (message.reply_to === "open" && this.phase === "opening") this.#fail(message.code, message.message, message.retry_ms);
        else {
          this.#error(message.code, message.message);
          if (open && message.code === "not_open") this.#open();
          else if (mine) this.#effects.push({ type: "retry", ms: message.retry_ms });
        }
    }
  }

  #opened({ kind, access, epoch, version, chain, content, revisions, reset, taken }: OpenedMessage): void {
    const last = taken?.seq ?? 0;
    this.access = access;
    if (kind !== "text") return this.#fail("unsupported_kind", `this client edits text, and the document is a ${kind}`);
    if (content != null) {
      // An edit at or below what was taken is in the content: only what came after it is unsent.
      if (last >= this.seq) this.inflight = undefined;
      const reason = this.lost ?? reset ?? (this.text && "reset");
      const { unsent } = this;
      this.lost = this.inflight = this.buffer = undefined;
      this.recent.length = 0;
      this.place = { epoch, version, chain };
      this.#replace(content, reason ? "reset" : "load");
      if (reason) this.#effects.push({ type: "reset", reason, unsent });
    } else {
      if (this.place) {
        for (const item of revisions ?? []) {
          if (this.inflight && item.seq === this.seq) this.#ack(item);
          else this.#revision(item);
        }
      }
      if (this.place?.version !== version || (this.inflight && last >= this.seq)) hole(`the revisions given do not lead to version ${version}`);
    }
    this.phase = "open";
    this.seq = Math.max(this.seq, last);
    this.#resend();
  }

  #revision({ version, from = version - 1, op, chain, session, user }: RevisionItem): void {
    const at = this.place!.version;
    if (version <= at) return;
    if (from !== at) hole(`a revision from version ${from} does not follow version ${at}`);
    let { inflight, buffer } = this;
    let moved = op;
    if (inflight) [inflight, moved] = transform(inflight, moved);
    if (buffer) [buffer, moved] = transform(buffer, moved);
    // Nothing is changed until all of it has proven to fit.
    this.#change(moved, "remote", version, session, user);
    this.inflight = inflight;
    this.buffer = buffer;
    this.#advance(version, chain, op);
  }

  #ack({ version, chain }: { readonly version: number; readonly chain: string }): void {
    const at = this.place!.version;
    if (version <= at) return;
    if (version !== at + 1) hole(`an edit was taken as version ${version}, and version ${at} is the last one known`);
    this.#advance(version, chain, this.inflight!);
    this.inflight = undefined;
    this.#flush();
  }

  #advance(version: number, chain: string, op: Op): void {
    this.place = { epoch: this.place!.epoch, version, chain };
    this.#shaky = false;
    if (this.recent.push({ version, op }) > RECENT) this.recent.shift();
  }

  /** The document cannot be had: for a while, or until someone asks for it again. */
  #fail(code: string, message: string, ms?: number): void {
    this.#error(code, message);
    if (PASSING.includes(code)) {
      this.phase = "closed";
      this.#effects.push({ type: "retry", ms });
      return;
    }
    this.phase = "refused";
    if (this.text && (code === "deleted" || code === "unknown_document")) {
      // There is nothing to continue, ever: what is unsent would wait for nobody.
      const { unsent } = this;
      this.inflight = this.buffer = undefined;
      this.lost = code;
      if (unsent) this.#effects.push({ type: "reset", reason: code, unsent });
    }
  }

  /** Opens anew without `from`; what is unsent is handed over when the server's text is here. */
  #lose(code: string, message: string): void {
    const again = this.lost;
    this.lost = code;
    if (again) this.#fail("internal", message);
    else {
      this.#error(code, message);
      this.#open();
    }
  }

  #open(): void {
    this.phase = "opening";
    const from = this.lost ? undefined : this.place;
    const pending = this.inflight && this.seq;
    this.#effects.push({ type: "send", message: { type: "open", doc: this.doc, create: this.create, from, pending } });
  }

  /** Sends the buffer, if nothing is in flight. */
  #flush(): void {
    if (this.phase !== "open" || this.inflight || !this.buffer) return;
    const { buffer } = this;
    this.buffer = undefined;
    // Typed and taken back, or deleted by someone else meanwhile: there is nothing to ask for.
    if (isIdentity(buffer)) return;
    this.inflight = buffer;
    this.seq++;
    this.#resend();
  }

  #resend(): void {
    const { doc, seq, inflight: op } = this;
    if (op) this.#effects.push({ type: "send", message: { type: "edit", doc, version: this.place!.version, seq, op } });
    else this.#flush();
  }

  #error(code: string, message: string): void {
    this.#effects.push({ type: "error", error: new VariorumError(code as ErrorCode, message, this.doc) });
  }

  #change(op: Op, source: Source, version = this.place!.version, session: string | null = null, user: User | null = null): void {
    const applied = this.text!.apply(op);
    if (!isIdentity(op)) this.#effects.push({ type: "change", op, applied, source, version, session, user });
  }

  /** Puts `text` on the screen, as one change of what differs. */
  #replace(text: string, source: Source): void {
    const content = (this.text ??= new Content(""));
    this.#change(content.op([difference(String(content), text)]), source);
  }

  #done(): Effect[] {
    const effects = this.#effects;
    this.#effects = [];
    return effects;
  }
}

const hole = (why: string): never => {
  throw new VariorumError("reset", why);
};

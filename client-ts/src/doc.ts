/** Makes a document: its state machine, kept in the outbox, with undo, people and events around it. */

import { backoff, randomId, type Clock } from "./clock.js";
import { crc32 } from "./crc32.js";
import type { Doc, DocEvents, Sync, Waiting } from "./document.js";
import { VariorumError, type ErrorCode } from "./errors.js";
import { createEmitter } from "./events.js";
import type { History } from "./history.js";
import { createMachine, type Changed } from "./machine.js";
import { Content } from "./ot/content.js";
import { add, compose, movePosition, type Op, type Part } from "./ot/text.js";
import { wellFormed } from "./ot/utf16.js";
import type { Outbox } from "./outbox.js";
import { createPeers, pairs } from "./presence.js";
import type { ClientMessage, Create, DocMessage, EditMessage, Limits, Presence, State } from "./protocol.js";
import { createUndo } from "./undo.js";

/** What a document needs of its client. */
export interface Host {
  readonly clock: Clock;
  readonly random: () => number;
  /** The pause that ends a group of edits undone at once, in milliseconds. */
  readonly undoPause: number;
  readonly outbox: Promise<Outbox>;
  readonly online: () => boolean;
  /** Public id of the connection. */
  readonly session: () => string;
  readonly limits: () => Limits;
  readonly history: (id: string) => Promise<History>;
  readonly send: (message: ClientMessage) => void;
  /** The document has ended by itself; the server has it `open`. */
  readonly ended: (id: string, open: boolean) => void;
}

/** A document as its client sees it. */
export interface Inner {
  readonly doc: Doc;
  /** Someone opens it: for the first time, or once more. */
  hold(create: Create | undefined): void;
  /** There is a connection. */
  connected(): void;
  disconnected(): void;
  receive(message: DocMessage): void;
  /** Ends it without a word to the server. */
  drop(): void;
}

/** Quiet after which the content is compared with the server's, in milliseconds. */
const CHECK = 15_000;
/** Shortest time between two presence messages, in milliseconds. */
const PRESENCE = 50;
/** The text is saved anew once what changed it is longer than this as JSON. */
const TAIL = 10_000;

export const createDoc = (id: string, host: Host): Inner => {
  const { clock } = host;
  const machine = createMachine(id, {
    send(message) {
      if (message.type === "open") host.send(message);
      else {
        outgoing = message;
        news = true;
      }
    },
    changed: (change) => changed(change),
    reset(reason, unsent) {
      const draft = unsent && randomId();
      undo.clear();
      if (draft) {
        handedOver = problem(reason, `edits were not carried over (${reason})`);
        write((outbox) => outbox.keep({ ...unsent, id: draft, doc: id, reason, time: clock.now() }));
      }
      tell("reset", { reason, unsent, draft });
    },
    failed(error) {
      if (machine.phase === "refused") failure = error;
      tell("error", error);
    },
    later(ms = backoff(attempt++, host.random)) {
      clock.cancel(retryTimer);
      retryTimer = clock.after(ms, () => {
        if (host.online()) machine.retry();
        settle();
      });
    },
  });
  const peers = createPeers(machine);
  const undo = createUndo(host.undoPause);
  const { on, emit } = createEmitter<DocEvents>();
  /** What waits for something: each looks at every change whether it has come. */
  const waiting = new Set<() => void>();
  /** What is still to be told to listeners, in order. */
  const told: (() => void)[] = [];
  let telling = false;
  /** How many have it open. */
  let holders = 0;
  /** The outbox, once it is open and what it kept of this document has been looked at. */
  let outbox: Outbox | undefined;
  let lastSync: Sync = "loading";
  /** Why it cannot be had; undefined while it can. */
  let failure: VariorumError | undefined;
  let ended = false;
  /** Why unsent edits were last handed over. */
  let handedOver: VariorumError | undefined;
  let origin: unknown;
  /** The edit that waits to be kept before it is sent. */
  let outgoing: EditMessage | undefined;
  /** Whether a write to the outbox is under way, and whether there is something new to keep after it. */
  let saving = false;
  let behind = false;
  /** Whether an own edit was made or is to be sent since the outbox was last written, and whether that holds any. */
  let news = false;
  let stored = false;
  /** What changed the text since it was last saved whole; undefined if it must be. */
  let tail: Op | undefined;
  /** Own state, its positions apart so that they move along. */
  let own: State | null = null;
  let places: number[] = [];
  let ownChanged = false;
  let attempt = 0;
  let checked = -1;
  let presenceTimer: unknown;
  let checkTimer: unknown;
  let retryTimer: unknown;

  const sync = (): Sync => {
    const { text, phase, saved } = machine;
    if (phase === "refused" || ended) return "refused";
    return !text ? "loading" : phase !== "open" ? "offline" : saved ? "saved" : "saving";
  };

  const problem = (code: string, message: string, cause?: unknown) => new VariorumError(code as ErrorCode, message, id, { cause });

  /** Resolves once `done` is true; rejects if it throws or never will be, or as the signal says. */
  const wait = (done: () => boolean, { signal }: Waiting = {}): Promise<void> =>
    new Promise((resolve, reject) => {
      const look = () => {
        try {
          signal?.throwIfAborted();
          if (!done()) {
            if (failure) throw failure;
            return;
          }
          resolve();
        } catch (error) {
          reject(error);
        }
        waiting.delete(look);
        signal?.removeEventListener("abort", look);
      };
      waiting.add(look);
      signal?.addEventListener("abort", look);
      look();
    });

  const tell = <Name extends keyof DocEvents>(event: Name, said: DocEvents[Name]): void => void told.push(() => emit(event, said));

  /** Does what follows from any input. Listeners are told once everything is consistent; what they do in turn is told after. */
  const settle = (): void => {
    peers.release();
    keep();
    const now = sync();
    if (now !== lastSync) tell("sync", (lastSync = now));
    for (const look of waiting) look();
    clock.cancel(checkTimer);
    if (now === "saved" && doc.version !== checked) checkTimer = clock.after(CHECK, check);
    showOwn();
    if (!telling) {
      telling = true;
      for (let next; (next = told.shift()); ) next();
      telling = false;
    }
    // Listeners may have opened it again, or edited.
    if (!holders && outbox && machine.saved && !saving && !ended) {
      const open = machine.phase.startsWith("open");
      inner.drop();
      host.ended(id, open);
    }
  };

  const changed = ({ op, changes, inverse, source, version, session, user }: Changed): void => {
    const mine = source === "local" || source === "undo";
    news ||= mine;
    if (source === "local") undo.local(inverse, clock.now());
    else if (mine) undo.took(inverse);
    else if (source === "remote") undo.remote(op);
    peers.move(op, mine ? null : session);
    places = places.map((at) => movePosition(op, at, mine));
    if (tail) tail = compose(tail, op);
    tell("change", { op, changes, source, origin, version, session, user });
    origin = undefined;
  };

  /** Keeps what is unsent: one write at a time, of the newest state. */
  const keep = (): void => {
    const { kept } = machine;
    if (saving) behind = true;
    else if (kept && news) {
      const content = tail && JSON.stringify(tail).length < TAIL ? undefined : String(machine.text);
      if (content !== undefined) tail = machine.text!.op([]);
      stored = true;
      news = false;
      write((outbox) => outbox.save(id, { ...kept, tail: tail!, content }), kept.seq);
    } else if (!kept && stored) {
      stored = false;
      tail = undefined;
      write((outbox) => outbox.clear(id));
    }
  };

  /** Runs a write to the outbox; an edit up to `seq` may be sent once it is done. */
  const write = (act: (outbox: Outbox) => Promise<void> | void, seq = 0): void => {
    const done = (cause?: unknown) => {
      saving = false;
      // An edit that cannot be kept is better sent than held back.
      if (cause) unkept(cause);
      if (outgoing && outgoing.seq <= seq) {
        const message = outgoing;
        outgoing = undefined;
        const { frame_bytes: most = Infinity } = host.limits();
        if (new TextEncoder().encode(JSON.stringify(message)).length < most) host.send(message);
        else {
          machine.receive({ type: "refused", doc: id, seq: message.seq, code: "too_large", message: `the edit is over ${most} bytes` });
          behind = true;
        }
      }
      if (behind || !holders || cause) {
        behind = false;
        settle();
      }
    };
    let writing;
    try {
      // There is one: nothing is unsent before it was looked at.
      writing = act(outbox!);
    } catch (error) {
      return done(error);
    }
    if (!writing) return done();
    saving = true;
    writing.then(() => done(), done);
  };

  const unkept = (cause: unknown): void => {
    tail = undefined;
    tell("error", problem("outbox_unavailable", "edits cannot be kept over a reload", cause));
  };

  /** Compares with the server, once per version and only when nothing happens. */
  const check = (): void => {
    const { text, version } = doc;
    checked = version;
    host.send({ type: "check", doc: id, version, sum: crc32(text) });
  };

  /** Takes who is here; in the `first` list nobody has just come. */
  const people = (presence: Presence, first?: boolean): void => {
    const { joined, left } = peers.take(presence, host.session());
    if (!first) for (const peer of joined) tell("joined", peer);
    for (const peer of left) tell("left", peer);
    tell("presence", peers.list);
  };

  /** Shows the own state, at most so often, and only when nothing is unsent: its places are the server's then. */
  const showOwn = (): void => {
    if (!ownChanged || presenceTimer || sync() !== "saved") return;
    ownChanged = false;
    const state = own?.cursors ? { ...own, cursors: pairs(places, (anchor, head) => [anchor, head] as const) } : own;
    host.send({ type: "presence", doc: id, version: doc.version, state });
    presenceTimer = clock.after(PRESENCE, () => {
      presenceTimer = undefined;
      showOwn();
    });
  };

  const edit = (op: Op, source: "local" | "undo", from?: unknown): void => {
    if (ended) throw failure;
    origin = from;
    machine.edit(op, source);
    settle();
  };

  const takeBack = (from: "undo" | "redo"): boolean => {
    const op = undo.take(from);
    if (op) edit(op, "undo");
    return !!op;
  };

  const doc: Doc = {
    id,
    on,
    get text() {
      return String(machine.text ?? "");
    },
    get version() {
      return machine.place?.version ?? 0;
    },
    get sync() {
      return sync();
    },
    get access() {
      return machine.access;
    },
    get unsent() {
      return machine.unsent;
    },
    get peers() {
      return peers.list;
    },
    get people() {
      return peers.count;
    },
    get canUndo() {
      return undo.can("undo");
    },
    get canRedo() {
      return undo.can("redo");
    },
    presence: {
      set(state) {
        places = state?.cursors?.flat().map((at) => machine.text?.toScalars(at) ?? 0) ?? [];
        own = state;
        ownChanged = true;
        showOwn();
      },
    },
    async ready(waiting) {
      await wait(() => !!machine.text, waiting);
      return doc;
    },
    flushed(waiting) {
      const before = handedOver;
      return wait(() => {
        if (handedOver !== before) throw handedOver;
        // What a reload left unsent counts once it is known.
        return !!outbox && machine.saved;
      }, waiting);
    },
    insert: (position, text) => doc.replace(position, 0, text),
    delete: (position, length) => doc.replace(position, length, ""),
    replace: (position, length, text) => doc.edit([{ from: position, to: position + length, insert: text }]),
    // Without a text the machine says so.
    edit: (changes, origin) => edit(machine.text?.op(changes) ?? [], "local", origin),
    apply(op, origin) {
      const clean: Part[] = [];
      for (const part of op) {
        if (typeof part !== "string" && !Number.isSafeInteger(part)) throw problem("bad_op", `${part} is no part of an op`);
        add(clean, typeof part === "string" ? wellFormed(part) : part);
      }
      edit(clean, "local", origin);
    },
    undo: () => takeBack("undo"),
    redo: () => takeBack("redo"),
    history: () => host.history(id),
    close() {
      holders--;
      // What opens it again at once, as frameworks do, keeps it.
      clock.after(0, settle);
    },
  };

  const inner: Inner = {
    doc,
    hold(create) {
      holders++;
      machine.create ??= create;
      if (machine.phase === "refused") {
        machine.disconnected(true);
        failure = undefined;
      }
      inner.connected();
    },
    connected() {
      if (!outbox || ended || !host.online() || machine.phase !== "closed") return;
      failure = undefined;
      machine.open();
      settle();
    },
    disconnected() {
      machine.disconnected();
      outgoing = undefined;
      peers.clear();
      tell("presence", peers.list);
      settle();
    },
    receive(message) {
      const was = machine.phase;
      machine.receive(message);
      if (message.type === "opened" && was === "opening" && machine.phase === "open") {
        attempt = 0;
        peers.clear();
        ownChanged = !!own;
        if (message.presence) people(message.presence, true);
      } else if (message.type === "presence" && was === "open") people(message);
      settle();
    },
    drop() {
      for (const timer of [presenceTimer, checkTimer, retryTimer]) clock.cancel(timer);
      failure = problem("closed", "the document was closed");
      ended = true;
      for (const look of waiting) look();
    },
  };

  void host.outbox.then(async (opened) => {
    try {
      const saved = await opened.load(id);
      outbox = opened;
      if (saved) {
        const text = new Content(saved.content!);
        text.apply(saved.tail);
        machine.restore(saved, String(text));
        ({ tail } = saved);
        stored = true;
      }
    } catch (error) {
      outbox = opened;
      unkept(error);
    }
    settle();
    inner.connected();
  });
  return inner;
};

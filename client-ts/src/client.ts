/** The client: documents by id on one connection, with one outbox. */

import { systemClock, type Clock } from "./clock.js";
import { createConnection, type Socket, type Status, type TokenReason } from "./connection.js";
import { createDoc, type Host, type Inner } from "./doc.js";
import type { Doc } from "./document.js";
import { VariorumError, type ErrorCode } from "./errors.js";
import { createEmitter, type Events } from "./events.js";
import { browserStorage, memoryOutbox, type BrowserStorage, type Draft, type Outbox } from "./outbox.js";
import type { Create, Limits, ServerMessage, User } from "./protocol.js";

/** How to reach a server, and as whom. */
export interface ClientOptions {
  /** Where the server is: `https://docs.example.org`, `ws://localhost:8080`, or a path of the page's own origin. */
  readonly url: string;
  /**
   * Proof of who the user is. A function is asked at each connection, and told why: `connect`, or `unauthorized` if the
   * server took the last token no longer. It may know of none. What it throws is told as an `error`, and asked again later.
   */
  readonly token?: string | ((why: { readonly reason: TokenReason }) => string | undefined | Promise<string | undefined>) | undefined;
  /** The user's name, where no token says it. A function is asked at each connection. */
  readonly name?: string | (() => string) | undefined;
  /**
   * Whose edits the outbox keeps: on a browser that several users share, give each their own, so that nobody sends
   * what another left unsent.
   */
  readonly account?: string | undefined;
  /** The pause that ends a group of edits undone at once, in milliseconds; 500 if left out. */
  readonly undoPause?: number | undefined;
  /** Makes sockets; the platform's own if left out. In Node 20 give that of `ws`. */
  readonly WebSocket?: (new (url: string, protocol: string) => Socket) | undefined;
  /**
   * Where unsent edits are kept over a reload: the browser's IndexedDB and locks if left out. `null` keeps them in memory,
   * as where a browser has none.
   */
  readonly storage?: BrowserStorage | null | undefined;
  /** Time, for tests. */
  readonly clock?: Clock | undefined;
  /** Numbers from 0 up to 1, for tests. */
  readonly random?: (() => number) | undefined;
}

/** What a client says. */
export interface ClientEvents {
  /** {@link Client.status} changed. */
  status: Status;
  /** Something went wrong with the connection. If it is not final, another attempt follows. */
  error: VariorumError;
}

/** How to open a document. */
export interface OpenOptions {
  /** Makes the document if it is not there: `true` is an empty text. */
  readonly create?: Create | true | undefined;
}

/** A client of one server. */
export interface Client extends Events<ClientEvents> {
  /** How it stands with the server. */
  readonly status: Status;
  /** Who the server takes this user for; null until it has said so. */
  readonly user: User | null;
  /** Public id of the connection; empty while there is none. */
  readonly session: string;
  /**
   * Opens a document, and answers at once: `await doc.ready()` for its content. Opening one that is open gives the same
   * object; each `open` is closed once.
   *
   * @throws {@link VariorumError} `closed` after {@link Client.close}.
   */
  open(id: string, options?: OpenOptions): Doc;
  /** Connects, after the server ended the connection for good or to try at once. */
  connect(): void;
  /** Connects anew at once, as whoever {@link ClientOptions.name} and {@link ClientOptions.token} now say; edits go on meanwhile. */
  reconnect(): void;
  /** The documents with edits that wait in this tab's outbox: open them to send these. */
  unsent(): Promise<string[]>;
  /** Edits that could not be carried over, kept for their author. */
  drafts(): Promise<Draft[]>;
  /** Forgets a draft, once its author has no use for it. */
  discard(draft: string): Promise<void>;
  /** Ends everything. What is unsent stays in the outbox. */
  close(): void;
}

/** The address of the server's socket. */
const socketUrl = (url: string): string => {
  const base = new URL(url, globalThis.location?.href);
  return `${base.origin.replace(/^http/, "ws")}${base.pathname.replace(/\/$/, "")}/v1/connect`;
};

/**
 * Makes a client of the server at `url`. It connects when the first document is opened.
 *
 * @throws TypeError if `url` is none.
 */
export const createClient = (options: ClientOptions): Client => {
  const { url, token, name, account = "", undoPause = 500, clock = systemClock, random = Math.random } = options;
  const { storage = browserStorage(), WebSocket = globalThis.WebSocket as ClientOptions["WebSocket"] } = options;
  const address = socketUrl(url);
  const { on, emit } = createEmitter<ClientEvents>();
  const docs = new Map<string, Inner>();
  /** How many `closed` are still to come for an id; until then what is said of it is about an earlier opening. */
  const leaving = new Map<string, number>();
  let user: User | null = null;
  let session = "";
  let limits: Limits = {};
  let closed = false;

  const ask = async (reason: TokenReason) => (typeof token === "function" ? token({ reason }) : token);

  const openOutbox = async (): Promise<Outbox> => {
    try {
      if (storage) return await (await import("./browser-outbox.js")).browserOutbox(JSON.stringify(["variorum", address, account]), storage, clock);
    } catch (cause) {
      emit("error", new VariorumError("outbox_unavailable", "edits cannot be kept over a reload", undefined, { cause }));
    }
    return memoryOutbox();
  };
  const outbox = openOutbox();

  const receive = (message: ServerMessage): void => {
    if (message.type === "welcome") ({ session, user, limits = {} } = message);
    else if ("doc" in message && message.doc != null) {
      const { doc: id } = message;
      const left = leaving.get(id);
      if (!left) docs.get(id)?.receive(message);
      else if (("code" in message && message.code === "closed") || ("reply_to" in message && message.reply_to === "close")) leaving.set(id, left - 1);
    } else if (message.type === "error") emit("error", new VariorumError(message.code as ErrorCode, message.message));
  };

  const connection = createConnection({
    clock,
    random,
    socket() {
      if (!WebSocket) throw new VariorumError("connection", "there is no WebSocket here: give one as an option");
      return new WebSocket(address, "variorum.v1");
    },
    async hello(reason) {
      const { client, person } = await outbox;
      return { type: "hello", protocol: 1, client, person, name: typeof name === "function" ? name() : name, token: await ask(reason) };
    },
    renews: typeof token === "function",
    message: receive,
    status(status) {
      if (status === "online") for (const doc of docs.values()) doc.connected();
      else if (session) {
        session = "";
        leaving.clear();
        for (const doc of docs.values()) doc.disconnected();
      }
      emit("status", status);
    },
    error: (error) => emit("error", error),
  });

  const host: Host = {
    clock,
    random,
    undoPause,
    outbox,
    online: () => connection.status() === "online",
    session: () => session,
    limits: () => limits,
    history: async (id) => (await import("./history.js")).createHistory(id, address, ask),
    send: connection.send,
    ended(id, open) {
      docs.delete(id);
      if (!open || !host.online()) return;
      leaving.set(id, (leaving.get(id) ?? 0) + 1);
      connection.send({ type: "close", doc: id });
    },
  };

  // Signs that the network is back, or that the tab woke.
  const watching = new AbortController();
  for (const sign of ["online", "visibilitychange"]) {
    globalThis.addEventListener?.(
      sign,
      () => {
        if (!globalThis.document?.hidden) connection.wake();
      },
      watching,
    );
  }

  return {
    on,
    get status() {
      return connection.status();
    },
    get user() {
      return user;
    },
    get session() {
      return session;
    },
    open(id, { create } = {}) {
      if (closed) throw new VariorumError("closed", "the client was closed", id);
      let inner = docs.get(id);
      if (!inner) {
        inner = createDoc(id, host);
        docs.set(id, inner);
        if (connection.status() === "closed") connection.connect();
      }
      inner.hold(create === true ? { kind: "text" } : create);
      return inner.doc;
    },
    connect: connection.connect,
    reconnect: connection.reconnect,
    unsent: async () => (await outbox).unsent(),
    drafts: async () => (await outbox).drafts(),
    discard: async (draft) => (await outbox).discard(draft),
    close() {
      closed = true;
      watching.abort();
      connection.close();
      for (const doc of docs.values()) doc.drop();
      docs.clear();
      void outbox.then((open) => open.release());
    },
  };
};

/** One WebSocket to the server, kept up: who says hello, when to try again, and when not to. */

import { backoff, type Clock } from "./clock.js";
import { VariorumError, type ErrorCode } from "./errors.js";
import { wellFormed } from "./ot/utf16.js";
import type { ClientMessage, ServerMessage } from "./protocol.js";

/** `connecting`, `online`, `offline` (another attempt follows), `closed` (none does). */
export type Status = "connecting" | "online" | "offline" | "closed";

/** Why a token is asked for: `connect`, or `unauthorized` if the server took the last one no longer. */
export type TokenReason = "connect" | "unauthorized";

/** The part of a WebSocket that is used; `ws` has it too. */
export interface Socket {
  onopen: ((event: any) => void) | null;
  onmessage: ((event: any) => void) | null;
  onclose: ((event: any) => void) | null;
  onerror: ((event: any) => void) | null;
  send(data: string): void;
  close(code?: number): void;
}

export interface ConnectionOptions {
  /** Makes a socket. */
  readonly socket: () => Socket;
  readonly clock: Clock;
  readonly random: () => number;
  /** The first message. May take a while, and may fail. */
  readonly hello: (reason: TokenReason) => Promise<ClientMessage>;
  /** Whether another token may be had. */
  readonly renews: boolean;
  readonly message: (message: ServerMessage) => void;
  readonly status: (status: Status) => void;
  readonly error: (error: VariorumError) => void;
}

/** Close codes after which the server need not be asked again. */
const FINAL: Record<number, ErrorCode> = { 4400: "bad_message", 4401: "unauthorized", 4403: "forbidden", 4409: "superseded", 4413: "too_large" };
/** Time from the first attempt to the welcome, in milliseconds. */
const WELCOME = 20_000;
/** Silence after which a ping is sent, and after twice which the connection is given up, in milliseconds. */
const QUIET = 20_000;
/** As before, where there is a reason to doubt: the tab woke, or the network changed. */
const DOUBT = 5_000;

export interface Connection {
  readonly status: () => Status;
  /** Connects, unless there is a connection or one is being made. */
  readonly connect: () => void;
  /** Sends a message, if there is a connection. */
  readonly send: (message: ClientMessage) => void;
  /** There is reason to believe that the network is back, or gone. */
  readonly wake: () => void;
  /** Ends the connection there is, and makes another at once. */
  readonly reconnect: () => void;
  /** Ends the connection for good, until someone calls {@link Connection.connect}. */
  readonly close: () => void;
}

export const createConnection = ({ clock, random, socket: make, hello, renews, message: deliver, status: said, error }: ConnectionOptions): Connection => {
  let status: Status = "closed";
  let socket: Socket | undefined;
  /** Attempts since the last one that lasted. */
  let attempt = 0;
  /** Counts attempts, so that a late answer to an older one is known as such. */
  let turn = 0;
  let timer: unknown;
  /** Whether anything was heard since the last look. */
  let heard = false;
  let reason: TokenReason = "connect";
  /** How the connection before ended, unless one has lasted since. */
  let before = 0;
  /** How long the server asked to wait, in milliseconds. */
  let asked: number | undefined;

  const say = (now: Status): void => {
    if (now === status) return;
    status = now;
    said(now);
  };

  const later = (ms: number, run: () => void): void => {
    clock.cancel(timer);
    timer = clock.after(ms, run);
  };

  const write = (message: ClientMessage): void =>
    // Half a pair, as a name or a presence state may hold, is not taken by the server.
    socket!.send(JSON.stringify(message, (_, value) => (typeof value === "string" ? wellFormed(value) : value)));

  /** Lets go of the socket without waiting for its goodbye. */
  const drop = (): void => {
    const old = socket;
    turn++;
    clock.cancel(timer);
    socket = undefined;
    if (!old) return;
    old.onopen = old.onmessage = old.onclose = null;
    try {
      old.close();
    } catch {
      // It was closed already, or never opened.
    }
  };

  const lost = (code: number, why?: string): void => {
    drop();
    // Once, the connection that took this one's place may be the client's own, given up and late; twice it is a rival's.
    if (FINAL[code] && !(code === 4401 && renews) && (code !== 4409 || before === code)) {
      say("closed");
      return error(new VariorumError(FINAL[code], why || `the server closed with code ${code}`));
    }
    if (code === 4401) reason = "unauthorized";
    before = code;
    say("offline");
    later(asked === undefined ? backoff(attempt++, random) : asked * (0.5 + random()), connect);
    asked = undefined;
  };

  /** Looks after `ms` whether anything was heard, with a ping first in doubt; and again as long as all is well. */
  const look = (ms: number): void => {
    heard = false;
    if (ms === DOUBT) write({ type: "ping" });
    later(ms, () => {
      // What has lasted is a good connection: the next loss is a first one.
      if (heard) {
        attempt = before = 0;
        look(QUIET);
      } else if (ms === DOUBT) lost(1006);
      else look(DOUBT);
    });
  };

  const receive = (data: string): void => {
    const message: ServerMessage = JSON.parse(data);
    heard = true;
    if (message.type === "draining" || (message.type === "error" && !message.doc)) asked = message.retry_ms;
    deliver(message);
    if (message.type === "welcome") {
      reason = "connect";
      look(QUIET);
      say("online");
    }
  };

  const begin = async (): Promise<void> => {
    const mine = turn;
    try {
      const first = await hello(reason);
      if (mine !== turn) return;
      socket = make();
      socket.onopen = () => write(first);
      socket.onmessage = ({ data }) => receive(data);
      socket.onclose = ({ code, reason }) => lost(code, reason);
      // A close follows, and says all there is to know.
      socket.onerror = () => {};
    } catch (cause) {
      if (mine !== turn) return;
      error(cause instanceof VariorumError ? cause : new VariorumError("connection", "no connection", undefined, { cause }));
      lost(1006);
    }
  };

  const connect = (): void => {
    if (status === "online" || status === "connecting") return;
    say("connecting");
    later(WELCOME, () => lost(4408));
    void begin();
  };

  return {
    status: () => status,
    connect,
    send(message) {
      if (status === "online") write(message);
    },
    wake() {
      if (status === "offline") connect();
      else if (status === "online") look(DOUBT);
    },
    reconnect() {
      drop();
      say("offline");
      connect();
    },
    close() {
      drop();
      say("closed");
    },
  };
};

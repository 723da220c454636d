/** A clock that a test turns, and a network whose server is the test. */

import type { Clock } from "../src/clock.js";
import type { ClientMessage, ServerMessage } from "../src/protocol.js";

/** Lets everything that waits for no timer go on. */
export const settled = async (): Promise<void> => {
  for (let turn = 0; turn < 20; turn++) await new Promise<void>((resolve) => setImmediate(resolve));
};

export class FakeClock implements Clock {
  #now = 1_000_000;
  #timers: { at: number; run: () => void }[] = [];

  now(): number {
    return this.#now;
  }
  after(ms: number, run: () => void): unknown {
    const timer = { at: this.#now + ms, run };
    this.#timers.push(timer);
    return timer;
  }
  cancel(timer: unknown): void {
    this.#timers = this.#timers.filter((each) => each !== timer);
  }
  /** How long until each timer, in milliseconds. */
  get waits(): number[] {
    return this.#timers.map(({ at }) => at - this.#now).sort((a, b) => a - b);
  }
  /** Turns the clock on, stopping at each timer. */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms;
    await settled();
    for (;;) {
      const next = this.#timers.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
      if (!next) break;
      this.cancel(next);
      this.#now = Math.max(this.#now, next.at);
      next.run();
      await settled();
    }
    this.#now = end;
  }
}

export type Sent = ClientMessage & Record<string, any>;

/** One end of a connection; the test is the other. */
export class FakeSocket {
  onopen: ((event: any) => void) | null = null;
  onmessage: ((event: any) => void) | null = null;
  onclose: ((event: any) => void) | null = null;
  onerror: ((event: any) => void) | null = null;
  /** What the client sent and the test has not taken. */
  sent: Sent[] = [];
  closed = false;

  constructor(
    readonly url: string,
    readonly protocol: string,
  ) {}

  send(data: string): void {
    if (this.closed) throw new Error("the socket is closed");
    this.sent.push(JSON.parse(data));
  }
  close(): void {
    this.closed = true;
  }

  /** Takes the next message of a type, and all before it. */
  take<Type extends ClientMessage["type"]>(type: Type): Sent & { type: Type } {
    for (let message; (message = this.sent.shift()); ) if (message.type === type) return message as Sent & { type: Type };
    throw new Error(`no ${type} was sent`);
  }
  says(message: ServerMessage): void {
    this.onmessage?.({ data: JSON.stringify(message) });
  }
  ends(code: number, reason = ""): void {
    this.closed = true;
    this.onclose?.({ code, reason });
  }
  /** Opens, takes the hello and welcomes. */
  welcome(session = "own", limits: object = {}): Sent {
    this.onopen?.({});
    const hello = this.take("hello");
    this.says({ type: "welcome", protocol: 1, session, user: { id: "u1", name: "Ana" }, server: "test", limits });
    return hello;
  }
}

/** Where sockets are made. */
export class FakeNet {
  sockets: FakeSocket[] = [];
  readonly WebSocket: new (url: string, protocol: string) => FakeSocket;

  constructor() {
    const { sockets } = this;
    this.WebSocket = class extends FakeSocket {
      constructor(url: string, protocol: string) {
        super(url, protocol);
        sockets.push(this);
      }
    };
  }
  /** The newest socket. */
  get last(): FakeSocket {
    return this.sockets[this.sockets.length - 1]!;
  }
}

/** The real server as a process, and a proxy before it that fails as networks do. */

import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Where the server's binary is. */
const BINARY = process.env["VARIORUM"] ?? new URL("../../../target/release/variorum", import.meta.url).pathname;

export const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, "close");
  return port;
};

export class RealServer {
  readonly #data = mkdtempSync(join(tmpdir(), "variorum-e2e-"));
  #process: ChildProcess | undefined;
  port = 0;

  /** `flags` are more of `variorum serve`'s. */
  constructor(readonly flags: readonly string[] = []) {}

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  async start(): Promise<void> {
    this.port ||= await freePort();
    this.#process = spawn(BINARY, ["serve", "--data", this.#data, "--listen", `127.0.0.1:${this.port}`, ...this.flags], { stdio: ["ignore", "ignore", "inherit"], env: { ...process.env, VARIORUM_LOG: "error" } });
    for (;;) {
      try {
        if ((await fetch(`${this.url}/ready`)).ok) return;
      } catch {
        if (this.#process.exitCode !== null) throw new Error(`the server ended with ${this.#process.exitCode}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  async kill(signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
    const running = this.#process;
    this.#process = undefined;
    if (!running || running.exitCode !== null) return;
    running.kill(signal);
    await once(running, "exit");
  }

  /** Loses everything, as where another server takes this one's place. */
  async wipe(): Promise<void> {
    await this.kill();
    rmSync(this.#data, { recursive: true });
  }

  async stop(): Promise<void> {
    await this.kill();
    rmSync(this.#data, { recursive: true, force: true });
  }

  async content(doc: string): Promise<string> {
    return (await fetch(`${this.url}/v1/docs/${doc}/content`)).text();
  }
}

/** Passes connections on, and cuts, stalls and half-closes them at random bytes while it is `wild`. */
export class Proxy {
  wild = false;
  cuts = 0;
  readonly #server: Server;
  #port = 0;
  readonly #sockets = new Set<Socket>();

  constructor(
    readonly target: RealServer,
    readonly random: () => number,
  ) {
    this.#server = createServer((near) => this.#pass(near));
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as { port: number }).port}`;
  }

  async start(): Promise<void> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
  }

  /** Ends every connection there is. */
  cut(): void {
    this.cuts += this.#sockets.size / 2;
    for (const socket of this.#sockets) socket.destroy();
  }

  /** The network is gone: nothing gets through until it is `up` again, at the same address. */
  down(): void {
    this.#port = (this.#server.address() as { port: number }).port;
    this.#server.close();
    this.cut();
  }

  async up(): Promise<void> {
    this.#server.listen(this.#port, "127.0.0.1");
    await once(this.#server, "listening");
  }

  async stop(): Promise<void> {
    this.#server.close();
    this.cut();
    await once(this.#server, "close");
  }

  #pass(near: Socket): void {
    const far = connect(this.target.port, "127.0.0.1");
    // Bytes until something happens, and what.
    let left = this.wild ? Math.floor(this.random() ** 2 * 6000) : Infinity;
    const what = this.random();
    const end = () => {
      if (near.destroyed && far.destroyed) return;
      near.destroy();
      far.destroy();
    };
    for (const socket of [near, far]) {
      this.#sockets.add(socket);
      socket.setNoDelay(true);
      socket.on("error", end);
      socket.on("close", () => {
        this.#sockets.delete(socket);
        end();
      });
    }
    const forward = (from: Socket, to: Socket) => {
      from.on("data", (data) => {
        if (left <= 0) return;
        to.write(data.subarray(0, Math.min(left, data.length)));
        left -= data.length;
        if (left > 0) return;
        this.cuts++;
        if (what < 0.5) end();
        else if (what < 0.75) {
          // One direction is closed, the other goes silent a moment later.
          to.end();
          setTimeout(end, 50);
        } else setTimeout(end, 30 + this.random() * 150);
      });
      from.on("end", () => to.end());
    };
    forward(near, far);
    forward(far, near);
  }
}

/** Random numbers that a seed repeats. */
export const seeded = (seed: number) => () => {
  seed = (seed + 0x6d2b79f5) | 0;
  let mixed = Math.imul(seed ^ (seed >>> 15), 1 | seed);
  mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
  return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
};

/** Waits until something is so. */
export const until = async (so: () => boolean, what: string): Promise<void> => {
  const end = Date.now() + 20_000;
  while (!so()) {
    assert.ok(Date.now() < end, `in time: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
};

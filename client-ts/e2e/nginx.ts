/** The real nginx, with the site of `deploy/nginx.conf`, as a process of its own with a certificate of its own. */

import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { get } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "./server.js";

const SITE = new URL("../../../deploy/nginx.conf", import.meta.url);

export class Nginx {
  readonly #home = mkdtempSync(join(tmpdir(), "variorum-nginx-"));
  #process: ChildProcess | undefined;
  port = 0;

  /** @param upstream - port of the server behind it */
  constructor(readonly upstream: number) {}

  get url(): string {
    return `https://localhost:${this.port}`;
  }

  /** The certificate, which clients are told to trust. */
  get ca(): string {
    return readFileSync(join(this.#home, "cert.pem"), "utf8");
  }

  async start(): Promise<void> {
    if (this.port === 0) await this.#prepare();
    this.#process = spawn("nginx", ["-p", this.#home, "-e", join(this.#home, "error.log"), "-c", join(this.#home, "nginx.conf")], { stdio: ["ignore", "ignore", "inherit"] });
    while (!(await this.#answers())) {
      if (this.#process.exitCode !== null) throw new Error(`nginx ended with ${this.#process.exitCode}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** Ends it at once, cutting every connection. */
  async kill(): Promise<void> {
    const running = this.#process;
    this.#process = undefined;
    if (!running || running.exitCode !== null) return;
    running.kill("SIGTERM");
    await once(running, "exit");
  }

  async stop(): Promise<void> {
    await this.kill();
    rmSync(this.#home, { recursive: true, force: true });
  }

  async #prepare(): Promise<void> {
    this.port = await freePort();
    const plain = await freePort();
    const key = join(this.#home, "key.pem");
    const cert = join(this.#home, "cert.pem");
    const openssl = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=localhost"];
    execFileSync("openssl", [...openssl, "-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", cert], { stdio: "ignore" });
    let site = readFileSync(SITE, "utf8");
    const replaced = (what: RegExp | string, by: string) => {
      const before = site;
      site = site.replaceAll(what, by);
      if (site === before) throw new Error(`deploy/nginx.conf has no ${String(what)}`);
    };
    // Only what belongs to a machine is replaced: names, ports, files.
    replaced(/\n *listen \[::\][^\n]*/g, "");
    replaced("listen 443 ssl", `listen 127.0.0.1:${this.port} ssl`);
    replaced("listen 80;", `listen 127.0.0.1:${plain};`);
    replaced("docs.example.org;", "localhost;");
    replaced("/etc/letsencrypt/live/docs.example.org/fullchain.pem", cert);
    replaced("/etc/letsencrypt/live/docs.example.org/privkey.pem", key);
    replaced("127.0.0.1:8080", `127.0.0.1:${this.upstream}`);
    writeFileSync(join(this.#home, "site.conf"), site);
    const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((name) => `${name}_temp_path ${this.#home}/${name};`);
    writeFileSync(
      join(this.#home, "nginx.conf"),
      `daemon off; pid ${this.#home}/pid; worker_processes 1; events { worker_connections 1024; }
      http { access_log off; ${temporary.join(" ")} include ${this.#home}/site.conf; }`,
    );
  }

  #answers(): Promise<boolean> {
    return new Promise((resolve) => {
      const asked = get(`${this.url}/ready`, { ca: this.ca, agent: false }, (answer) => {
        answer.resume();
        resolve(answer.statusCode === 200);
      });
      asked.on("error", () => resolve(false));
    });
  }
}

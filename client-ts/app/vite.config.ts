/** Builds the web app into `dist`, which the server embeds: each file also compressed, so that serving it costs nothing. */

import { readdirSync, readFileSync } from "node:fs";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import { defineConfig, type Plugin } from "vite";

const here = (path: string) => new URL(path, import.meta.url).pathname;

/** Tells the worker which files make up the app. Of the fonts, those for other scripts are kept once they were used. */
const listed = (): Plugin => ({
  name: "listed",
  generateBundle(_options, bundle) {
    const files = Object.keys(bundle).filter((name) => name.startsWith("assets/") && !(name.endsWith(".woff2") && !name.includes("-latin-wght-")));
    const worker = bundle["worker.js"];
    if (worker?.type !== "chunk") throw new Error("the worker was not built");
    worker.code = `const FILES=${JSON.stringify([...files.map((name) => `/${name}`), "/icon.svg", "/app.webmanifest"])};${worker.code}`;
  },
});

/** Gives the licences of everything that was built in, as these ask for, in one file beside it. */
const licences = (): Plugin => ({
  name: "licences",
  generateBundle() {
    const folders = new Set([...this.getModuleIds()].flatMap((id) => /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+/.exec(id.replace(/^\0/, "")) ?? []));
    const texts = [...folders].sort().flatMap((folder) => {
      const file = readdirSync(folder).find((name) => /^licen[cs]e/i.test(name));
      return file ? [`${folder.replace(/^.*node_modules\//, "")}\n\n${readFileSync(join(folder, file), "utf8")}`] : [];
    });
    this.emitFile({ type: "asset", fileName: "licences.txt", source: texts.join("\n\n----\n\n") });
  },
});

/** Writes `.br` and `.gz` beside every text that they make smaller. */
const compressed = (): Plugin => ({
  name: "compressed",
  apply: "build",
  // From what was written: the last word on what is in a file.
  async writeBundle({ dir }) {
    for (const name of await readdir(dir!, { recursive: true })) {
      if (!/\.(js|css|svg|webmanifest|txt)$/.test(name)) continue;
      const path = join(dir!, name);
      const plain = await readFile(path);
      const forms = { br: brotliCompressSync(plain, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } }), gz: gzipSync(plain, { level: 9 }) };
      for (const [ending, form] of Object.entries(forms)) {
        if (form.length < plain.length) await writeFile(`${path}.${ending}`, form);
      }
    }
  },
});

const { exports } = JSON.parse(readFileSync(here("../package.json"), "utf8")) as { exports: Record<string, unknown> };

export default defineConfig({
  root: here("."),
  // The package under its public names, from its sources.
  resolve: {
    alias: Object.keys(exports)
      .filter((name) => !name.endsWith(".json"))
      .map((name) => ({ find: new RegExp(`^${name.replace(".", "variorum")}$`), replacement: here(`../src/${name === "." ? "index" : name.slice(2)}.ts`) })),
  },
  // The server puts a random word for each answer in its place.
  html: { cspNonce: "NONCE-OF-THIS-ANSWER" },
  build: {
    target: "es2022",
    chunkSizeWarningLimit: 700,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    assetsInlineLimit: 0,
    rolldownOptions: {
      checks: { pluginTimings: false },
      input: { index: here("index.html"), worker: here("src/worker.ts") },
      output: { entryFileNames: ({ name }) => (name === "worker" ? "worker.js" : "assets/[name]-[hash].js") },
    },
  },
  plugins: [listed(), licences(), compressed()],
  // For work on the app itself: the page from here, everything else from a server that runs.
  server: { proxy: { "/v1": { target: process.env["VARIORUM"] ?? "http://127.0.0.1:8080", ws: true } } },
});

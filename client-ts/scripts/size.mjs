// Bundles what an app would, minified and gzipped, and fails where it is over its bound: 8 kB and 11 kB, of 1,024 bytes.
// Counted is the entry with everything that it imports at once; what follows on demand is told apart. Run after the build.

import { gzipSync } from "node:zlib";
import { rolldown } from "rolldown";

const bounds = [
  // What every app loads. Where there is IndexedDB the outbox for it follows in a chunk of its own.
  { name: "core with text", code: `export { createClient } from "./dist/index.js"`, bound: 8 * 1024 },
  {
    name: "core with the CodeMirror binding",
    code: `export { createClient } from "./dist/index.js"; export { variorum } from "./dist/codemirror.js"`,
    bound: 11 * 1024,
  },
  // What is not used is left out.
  { name: "the algebra alone", code: `export { transform } from "./dist/ot.js"`, bound: 1024 },
  { name: "the error alone", code: `export { VariorumError } from "./dist/index.js"`, bound: 256 },
];

for (const { name, code, bound } of bounds) {
  const entry = "\0entry";
  const bundle = await rolldown({
    input: entry,
    preserveEntrySignatures: "allow-extension",
    external: [/^@codemirror\//],
    plugins: [{ name: "entry", resolveId: (id) => (id === entry ? id : id.startsWith("./dist/") ? new URL(`../${id}`, import.meta.url).pathname : undefined), load: (id) => (id === entry ? code : undefined) }],
  });
  const { output } = await bundle.generate({ format: "esm", minify: true });
  const chunks = new Map(output.map((chunk) => [chunk.fileName, chunk]));
  const at = (name) => (chunks.has(name) ? [name, ...chunks.get(name).imports.flatMap(at)] : []);
  const first = new Set(output.filter((chunk) => chunk.isEntry).flatMap(({ fileName }) => at(fileName)));
  const size = (names) => names.reduce((sum, name) => sum + gzipSync(chunks.get(name).code, { level: 9 }).length, 0);
  const loaded = size([...first]);
  const later = size([...chunks.keys()].filter((name) => !first.has(name)));
  console.log(`${name}: ${loaded} bytes of at most ${bound}, and ${later} on demand`);
  if (loaded > bound) process.exitCode = 1;
}

/** Every example in the documentation compiles, and says what comes out. */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { compose, transform } from "../src/ot.js";

const root = new URL("../../", import.meta.url);

test("the examples compile", () => {
  const folder = new URL(".test/examples/", root);
  mkdirSync(folder, { recursive: true });
  let examples = 0;
  for (const page of ["README.md", "../README.md", "../docs/client.md"]) {
    for (const [, kind, code] of readFileSync(new URL(page, root), "utf8").matchAll(/```(tsx?)\n(.*?)```/gs)) {
      writeFileSync(new URL(`example${++examples}.${kind}`, folder), code!);
    }
  }
  assert.ok(examples >= 10, `${examples} examples`);
  const config = {
    extends: "../../tsconfig.json",
    compilerOptions: {
      noEmit: true,
      types: ["node"],
      rootDir: "../..",
      jsx: "react-jsx",
      paths: { variorum: ["../../src/index.ts"], "variorum/*": ["../../src/*.ts"] },
    },
    include: ["."],
  };
  writeFileSync(new URL("tsconfig.json", folder), JSON.stringify(config));
  try {
    execFileSync("npx", ["--no-install", "tsc", "-p", folder.pathname], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
  } catch (error) {
    assert.fail((error as { stdout: string }).stdout);
  }
});

test("every code of the protocol is one that code can branch on", () => {
  const table = readFileSync(new URL("../docs/protocol.md", root), "utf8").split("## 7. Errors")[1]!.split("\n## ")[0]!;
  const codes = [...table.matchAll(/^\| `(\w+)` \| [\d ]*\|/gm)].map(([, code]) => code!);
  assert.ok(codes.length > 30, `${codes.length} codes`);
  const errors = readFileSync(new URL("src/errors.ts", root), "utf8");
  assert.deepEqual(codes.filter((code) => !errors.includes(`| "${code}"`)), []);
});

test("the example of ops gives what it says", () => {
  const [moved] = transform([2, "x"], ["y", 2]);
  assert.deepEqual(moved, [3, "x"]);
  assert.deepEqual(compose(["y", 2], moved), ["y", 2, "x"]);
});

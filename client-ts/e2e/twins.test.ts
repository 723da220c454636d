/** This algebra and the server's, in Rust, give the same answers to the same random questions: 100,000, and no difference. */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { Content } from "../src/ot/content.js";
import { add, apply, baseLength, compose, composeTyping, invert, movePosition, targetLength, transform, type Op, type Part } from "../src/ot/text.js";
import { count } from "../src/ot/utf16.js";
import { seeded } from "./server.js";

const PROPTESTS = process.env["PROPTESTS"] ?? new URL("../../../target/release/proptests", import.meta.url).pathname;
const seed = Number(process.env["SEED"] ?? Math.floor(Math.random() * 2 ** 31));
/** Questions each way. */
const COUNT = 50_000;

interface Question {
  readonly doc: string;
  readonly x: Op;
  readonly a: Op;
  readonly b: Op;
  readonly place: number;
}

/** Everything that this algebra says about a question, as the twin puts it. */
const answered = ({ doc, x, a, b, place }: Question) => {
  const content = new Content(doc);
  const { inverse } = content.apply(a);
  assert.deepEqual(inverse, invert(a, doc));
  const after_a = apply(a, doc);
  assert.equal(String(content), after_a);
  const [moved, history] = transform(x, a);
  return {
    after_a,
    after_b: apply(b, after_a),
    moved,
    history,
    composed: compose(a, b),
    typing: composeTyping(a, b),
    inverse,
    before: movePosition(a, place, false),
    after: movePosition(a, place, true),
  };
};

const twin = (...command: string[]) => {
  const child = spawn(PROPTESTS, command, { stdio: ["pipe", "pipe", "inherit"] });
  const ended = new Promise<number | null>((resolve, reject) => child.on("error", reject).on("exit", resolve));
  return { child, ended, lines: createInterface({ input: child.stdout }) };
};

test(`what Rust makes up, both answer alike (seed ${seed})`, async () => {
  const { lines, ended } = twin("ask", "--seed", String(seed), "--count", String(COUNT));
  let asked = 0;
  for await (const line of lines) {
    const { question, answer } = JSON.parse(line);
    assert.deepEqual(answered(question), answer, `seed ${seed}, question ${asked}: ${JSON.stringify(question)}`);
    asked++;
  }
  assert.equal(await ended, 0);
  assert.equal(asked, COUNT);
});

/** Other letters and longer texts than Rust's, so that the two kinds of question differ. */
const LETTERS = ["x", "y", "0", " ", "\n", "\r\n", "ß", "e\u0301", "ש", "\u202e", "👩‍👩‍👧", "😀", "\ufeff", "\u{e0001}", "\u{1f1e9}\u{1f1ea}"];

const questions = (random: () => number) => {
  const below = (most: number) => Math.floor(random() * most);
  const text = (most: number) => Array.from({ length: below(most) }, () => LETTERS[below(LETTERS.length)]).join("");
  const op = (length: number): Op => {
    const made: Part[] = [];
    let left = length;
    for (let parts = below(12); parts; parts--) {
      const some = random() < 0.1 ? left : Math.min(left, below(5));
      const sort = below(3);
      if (sort === 0) add(made, text(4));
      else {
        add(made, sort === 1 ? some : -some);
        left -= some;
      }
    }
    add(made, left);
    return made;
  };
  return (): Question => {
    const doc = text(random() < 0.02 ? 4_000 : 24);
    const length = count(doc);
    const [x, a] = [op(length), op(length)];
    return { doc, x, a, b: op(targetLength(a)), place: below(length + 2) };
  };
};

test(`what TypeScript makes up, both answer alike (seed ${seed})`, async () => {
  const next = questions(seeded(seed));
  const asked = Array.from({ length: COUNT }, next);
  assert.ok(asked.every(({ doc, x, a }) => baseLength(x) === count(doc) && baseLength(a) === count(doc)));
  const { child, lines, ended } = twin("answer");
  // Written and read at the same time, as far as each side has room.
  const writing = (async () => {
    for (const question of asked) if (!child.stdin.write(`${JSON.stringify(question)}\n`)) await new Promise((resolve) => child.stdin.once("drain", resolve));
    child.stdin.end();
  })();
  let answers = 0;
  for await (const line of lines) {
    const question = asked[answers]!;
    assert.deepEqual(answered(question), JSON.parse(line), `seed ${seed}, question ${answers}: ${JSON.stringify(question)}`);
    answers++;
  }
  await writing;
  assert.equal(await ended, 0);
  assert.equal(answers, COUNT);
});

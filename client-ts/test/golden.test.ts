/** The vectors that the server's algebra made: whoever agrees with them agrees with the server to the op. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { test } from "node:test";
import { VariorumError } from "../src/errors.js";
import { Content } from "../src/ot/content.js";
import { add, apply, compose, composeTyping, invert, movePosition, transform, type Op, type Part } from "../src/ot/text.js";

const { GOLDEN } = process.env;
const folder = GOLDEN ? pathToFileURL(`${GOLDEN}/`) : new URL("../../../proptests/golden/", import.meta.url);

const golden = <Case>(name: string, check: (of: Case) => void) =>
  test(`golden: ${name}`, () => {
    const cases: Case[] = JSON.parse(readFileSync(new URL(`${name}.json`, folder), "utf8"));
    assert.ok(cases.length > 50, `${cases.length} cases`);
    for (const each of cases) {
      try {
        check(each);
      } catch (error) {
        throw new Error(`in ${JSON.stringify(each)}`, { cause: error });
      }
    }
  });

golden<{ doc: string; op: Op; result: string }>("apply", ({ doc, op, result }) => {
  assert.equal(apply(op, doc), result);
  const content = new Content(doc);
  content.apply(op);
  assert.equal(String(content), result);
});

interface Meeting {
  doc?: string;
  incoming: Op;
  history: Op;
  incoming_moved: Op;
  history_moved: Op;
  result?: string;
}
const meet = ({ doc, incoming, history, incoming_moved, history_moved, result }: Meeting) => {
  assert.deepEqual(transform(incoming, history), [incoming_moved, history_moved]);
  if (doc === undefined) return;
  assert.equal(apply(incoming_moved, apply(history, doc)), result);
  assert.equal(apply(history_moved, apply(incoming, doc)), result);
};
golden<Meeting>("transform", meet);
golden<Meeting>("transform_large", meet);

golden<{ first: Op; second: Op; composed: Op; typing_composed: Op }>("compose", ({ first, second, composed, typing_composed }) => {
  assert.deepEqual(compose(first, second), composed);
  assert.deepEqual(composeTyping(first, second), typing_composed);
});

golden<{ doc: string; op: Op; inverse: Op }>("invert", ({ doc, op, inverse }) => {
  assert.deepEqual(invert(op, doc), inverse);
  assert.deepEqual(new Content(doc).apply(op).inverse, inverse);
});

golden<{ op: Op; position: number; side: "before" | "after"; moved: number }>("cursor", ({ op, position, side, moved }) => {
  assert.equal(movePosition(op, position, side === "after"), moved);
});

golden<{ of: string; doc?: string; ops: Op[]; op: number; found: number }>("mismatch", ({ of, doc, ops: [first, second], op, found }) => {
  const act: Record<string, () => unknown> = {
    apply: () => apply(first!, doc!),
    invert: () => invert(first!, doc!),
    transform: () => transform(first!, second!),
    compose: () => compose(first!, second!),
  };
  assert.throws(act[of]!, (error) => error instanceof VariorumError && error.code === "length_mismatch" && error.message.includes(` ${op},`) && error.message.endsWith(` ${found}`));
});

golden<{ json: string; accepted: boolean; op?: Op }>("parse", ({ json, accepted, op }) => {
  if (!accepted) return;
  // Every op that the server takes is one that this client writes so.
  const written: Part[] = [];
  for (const part of JSON.parse(json) as Op) add(written, part);
  assert.deepEqual(written, op);
});

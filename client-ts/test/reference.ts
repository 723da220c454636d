/**
 * A server for one document in the least code that keeps the rules: a log, and readers that are places in it. What it
 * sends when is up to the caller, so that a test can try every schedule.
 */

import { apply, compose, transform, type Op } from "../src/ot/text.js";
import type { DocMessage, EditMessage, OpenMessage, RevisionItem } from "../src/protocol.js";

interface Revision {
  op: Op;
  client: string;
  seq: number;
  chain: string;
}

/** A connection of a client: a place in the log, once the document is open on it. */
export interface Reader {
  client: string;
  place: number | undefined;
  /** What was sent and has not arrived. */
  down: DocMessage[];
}

export class ReferenceServer {
  epoch = 1;
  log: Revision[] = [];
  /** The text at each version. */
  texts = [""];
  /** Edits that are refused whenever they come, as `client/seq`. */
  refusing = new Set<string>();
  #chains = 0;

  get head(): number {
    return this.log.length;
  }

  chain(version: number): string {
    return version ? this.log[version - 1]!.chain : `genesis ${this.epoch}`;
  }

  commit(op: Op, client = "http", seq = 0): void {
    this.texts.push(apply(op, this.texts[this.head]!));
    this.log.push({ op, client, seq, chain: `${++this.#chains}` });
  }

  /** Goes back to an older backup. */
  rewind(version: number): void {
    this.log.length = version;
    this.texts.length = version + 1;
  }

  /** Deletes the document and makes it anew. */
  remake(content: string): void {
    this.epoch++;
    this.rewind(0);
    if (content) this.commit([content]);
  }

  taken(client: string) {
    for (let version = this.head; version; version--) {
      const revision = this.log[version - 1]!;
      if (revision.client === client) return { seq: revision.seq, version };
    }
    return null;
  }

  open(reader: Reader, message: OpenMessage, chance: () => number): void {
    const { from, pending } = message;
    const { head: version, epoch } = this;
    const opened = {
      type: "opened" as const,
      doc: message.doc,
      kind: "text",
      epoch: `${epoch}`,
      version,
      chain: this.chain(version),
      access: "write" as const,
      taken: this.taken(reader.client),
    };
    reader.place = version;
    const reset = !from
      ? undefined
      : from.epoch !== `${epoch}`
        ? "epoch"
        : from.version > version
          ? "ahead"
          : from.chain !== this.chain(from.version)
            ? "chain"
            : undefined;
    if (!from || reset) reader.down.push({ ...opened, content: this.texts[version]!, ...(reset && { reset }) });
    else {
      const own = ({ client, seq }: Revision) => client === reader.client && seq === pending;
      reader.down.push({ ...opened, revisions: this.#stretch(from.version, version, own, chance) });
    }
  }

  edit(reader: Reader, { doc, version, seq, op }: EditMessage): void {
    if (reader.place === undefined) {
      reader.down.push({ type: "error", code: "not_open", message: "not open", doc, seq, reply_to: "edit" });
      return;
    }
    const taken = this.taken(reader.client);
    if (taken?.seq === seq) {
      // What lies before this reader will come as its ack in order; what it has passed is answered again.
      const { version: was } = taken;
      if (was <= reader.place) reader.down.push({ type: "ack", doc, seq, version: was, chain: this.chain(was), time: 0 });
      return;
    }
    const refuse = (code: string) => reader.down.push({ type: "refused", doc, seq, code, message: code });
    if (taken && taken.seq > seq) return void refuse("seq_out_of_order");
    if (version > this.head) return void refuse("version_ahead");
    if (this.refusing.has(`${reader.client}/${seq}`)) return void refuse("too_large");
    let moved = op;
    for (const revision of this.log.slice(version)) [moved] = transform(moved, revision.op);
    this.commit(moved, reader.client, seq);
  }

  /** Gives a reader what it has not seen. Its own edits since it opened are acks, all else comes composed at random places. */
  pump(reader: Reader, doc: string, chance: () => number): void {
    if (reader.place === undefined) return;
    const own = (revision: Revision) => revision.client === reader.client;
    for (const item of this.#stretch(reader.place, this.head, own, chance)) {
      if (item.seq === undefined) reader.down.push({ type: "revision", doc, ...item });
      else reader.down.push({ type: "ack", doc, seq: item.seq, version: item.version, chain: item.chain, time: 0 });
    }
    reader.place = this.head;
  }

  #stretch(from: number, to: number, own: (revision: Revision) => boolean, chance: () => number): RevisionItem[] {
    const items: RevisionItem[] = [];
    let open = false;
    for (let version = from + 1; version <= to; version++) {
      const revision = this.log[version - 1]!;
      const { op, chain } = revision;
      const last = items[items.length - 1];
      if (own(revision)) {
        items.push({ version, op, chain, time: 0, seq: revision.seq });
        open = false;
      } else if (open && last && chance() < 0.6) {
        items[items.length - 1] = { version, from: last.from ?? last.version - 1, op: compose(last.op, op), chain, time: 0 };
      } else {
        items.push({ version, op, chain, time: 0 });
        open = true;
      }
    }
    return items;
  }
}

/** The client of Variorum, a document server for people who write together. */

export { createClient, type Client, type ClientEvents, type ClientOptions, type OpenOptions } from "./client.js";
export type { Clock } from "./clock.js";
export type { Socket, Status, TokenReason } from "./connection.js";
export type { ChangeEvent, Doc, DocEvents, ResetEvent, Sync, Waiting } from "./document.js";
export { VariorumError, type ErrorCode } from "./errors.js";
export type { Events } from "./events.js";
export type { Asking, Blame, BlameRun, Diff, DiffRun, History, Label, Restore, Restored, Snapshot, Stretch, Stretches } from "./history.js";
export type { Source, Unsent } from "./machine.js";
export type { Change } from "./ot/content.js";
export type { Op, Part } from "./ot/text.js";
export type { BrowserStorage, Draft } from "./outbox.js";
export type { Cursor, Peer } from "./presence.js";
export type { Access, Create, State, User } from "./protocol.js";

/** What goes wrong, in the protocol's words. */

/**
 * Why something failed: a code of the protocol, or one of the client's own:
 * `not_ready` (an edit before the content is known), `superseded` (the same client connected elsewhere),
 * `reset` (the server's document could not be continued from the client's), `outbox_unavailable` (edits cannot be kept
 * over a reload at present), `connection` (no connection could be made; another attempt follows).
 */
export type ErrorCode =
  | "bad_message"
  | "bad_document_id"
  | "bad_op"
  | "unsupported_protocol"
  | "unauthorized"
  | "forbidden"
  | "read_only"
  | "unknown_document"
  | "unknown_label"
  | "not_found"
  | "method_not_allowed"
  | "length_mismatch"
  | "version_ahead"
  | "seq_out_of_order"
  | "wrong_kind"
  | "not_open"
  | "label_exists"
  | "document_exists"
  | "not_a_branch"
  | "has_branches"
  | "version_pruned"
  | "epoch_changed"
  | "chain_differs"
  | "too_large"
  | "unsupported_kind"
  | "precondition_required"
  | "too_many_documents"
  | "rate_limited"
  | "too_many_connections"
  | "internal"
  | "storage_unavailable"
  | "document_damaged"
  | "shutting_down"
  | "closed"
  | "deleted"
  | "replaced"
  | "not_ready"
  | "superseded"
  | "reset"
  | "outbox_unavailable"
  | "connection";

/** The one error of this package. Code branches on `code`, `message` is for people. */
export class VariorumError extends Error {
  constructor(
    /** What went wrong; a newer server may say a code that is not listed. */
    readonly code: ErrorCode,
    message: string,
    /** The document concerned. */
    readonly doc?: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.name = "VariorumError";
  }
}

//! Every request of the HTTP part, by method and path: an endpoint is made from its row here.

macro_rules! routes {
    ($($(#[doc = $doc:literal])+ $variant:ident = $method:ident $path:literal;)+) => {
        /// A request of the HTTP part.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Route { $($(#[doc = $doc])+ $variant,)+ }

        impl Route {
            /// Every route.
            pub const ALL: &'static [Route] = &[$(Route::$variant,)+];

            /// Its method.
            pub fn method(self) -> &'static str {
                match self { $(Route::$variant => stringify!($method),)+ }
            }

            /// Its path, as in the OpenAPI description: segments in braces are taken from the request.
            pub fn path(self) -> &'static str {
                match self { $(Route::$variant => $path,)+ }
            }
        }
    };
}

routes! {
    /// The WebSocket.
    Connect = GET "/v1/connect";

    /// Which documents there are.
    List = GET "/v1/docs";
    /// Makes a document.
    Create = PUT "/v1/docs/{id}";
    /// Reads a document.
    Read = GET "/v1/docs/{id}";
    /// Takes it away.
    Delete = DELETE "/v1/docs/{id}";
    /// Replaces its content as a whole.
    Replace = PUT "/v1/docs/{id}/content";
    /// Reads its bare content.
    Content = GET "/v1/docs/{id}/content";
    /// What came after a version.
    Revisions = GET "/v1/docs/{id}/revisions";
    /// Who wrote when, and how much.
    History = GET "/v1/docs/{id}/history";
    /// What differs between two versions.
    Diff = GET "/v1/docs/{id}/diff";
    /// Who wrote each character of a version.
    Blame = GET "/v1/docs/{id}/blame";
    /// Where a text has stood.
    Search = GET "/v1/docs/{id}/search";
    /// Asks for a change.
    Edit = POST "/v1/docs/{id}/edits";
    /// Lists the names of versions.
    Labels = GET "/v1/docs/{id}/labels";
    /// Reads what a name is given to.
    Label = GET "/v1/docs/{id}/labels/{name}";
    /// Names a version.
    PutLabel = PUT "/v1/docs/{id}/labels/{name}";
    /// Takes a name away.
    DeleteLabel = DELETE "/v1/docs/{id}/labels/{name}";
    /// Takes back what was.
    Restore = POST "/v1/docs/{id}/restore";
    /// Makes a branch.
    Branch = POST "/v1/docs/{id}/branches";
    /// Lists the branches.
    Branches = GET "/v1/docs/{id}/branches";
    /// Takes over what was written on a branch.
    Merge = POST "/v1/docs/{id}/merge";

    /// Squashes old history.
    Prune = POST "/v1/docs/{id}/prune";

    /// The process is alive.
    Health = GET "/health";
    /// Requests should be sent here.
    Ready = GET "/ready";
    /// What the server counts, for Prometheus.
    Metrics = GET "/metrics";
}

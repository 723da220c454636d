//! What a WebSocket conformance suite speaks with: the server's own upgrade, frames and closing, with an echo behind them.

use std::net::SocketAddr;

use variorum::limits::Limits;
use variorum::server;

/// Longest message that the suites send.
const FRAME_BYTES: usize = 32 << 20;

/// Serves until the process is ended.
pub fn serve(listen: SocketAddr) -> Result<String, String> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("no runtime: {error}"))?;
    runtime.block_on(async {
        let listener = server::bind(listen).map_err(|error| format!("cannot listen on {listen}: {error}"))?;
        println!("echoing on {listen}");
        server::echo(listener, Limits { frame_bytes: FRAME_BYTES, ..Limits::default() }).await;
        Ok(String::new())
    })
}

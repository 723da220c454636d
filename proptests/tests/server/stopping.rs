//! The server goes away in time, whatever others do.

use std::time::{Duration, Instant};

use proptests::faulty::{Call, Fate, Faulty};
use proptests::live::{Raw, Server};
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use variorum::limits::Limits;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_hangs_and_peers_that_stop_do_not_hold_it_back() {
    let store = Faulty::new(|call| if call == Call::Close { Fate::Late(60_000) } else { Fate::Done });
    let server = Server::with(store, Limits::default()).await;
    let mut ana = server.client("ana").await;
    ana.open("d", &"x".repeat(200_000)).await;
    // A reader that takes nothing of a long document, half a request, and a connection without a hello.
    let mut stalled = Raw::connect_narrow(server.address).await;
    stalled.hello("stalled---------------", "stalled").await;
    stalled.say(json!({"type": "open", "doc": "d"})).await;
    let mut half = TcpStream::connect(server.address).await.expect("the server accepts");
    half.write_all(b"POST /v1/docs/d/edits HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{").await.expect("sent");
    let silent = Raw::connect(server.address).await;
    ana.edited("d", 1, 1, json!([200_000, "y"])).await;
    let began = Instant::now();
    server.stop().await;
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    assert_eq!(ana.close_code().await, Some(1012));
    drop((half, silent, stalled));
}

//! Serving with a socket: what a client may hold, and for how long.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

use tidemark::http::{Limits, router, serve};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::fixture::state;
use super::rows;

/// Far longer than anything here takes: a test that meets it has failed.
const DEADLINE: Duration = Duration::from_secs(20);

struct Server {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    done: tokio::task::JoinHandle<()>,
}

async fn server(limits: Limits) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has ports");
    let address = listener.local_addr().expect("it is bound");
    let (stop, stopped) = oneshot::channel();
    let done = tokio::spawn(serve(listener, router(state(&rows())), limits, async {
        // A dropped sender stops as well.
        let _ = stopped.await;
    }));
    Server { address, stop, done }
}

/// Sends all of it; false where the server would not take it.
async fn send(stream: &TcpStream, mut bytes: &[u8]) -> bool {
    while !bytes.is_empty() {
        stream.writable().await.expect("sockets can be waited for");
        match stream.try_write(bytes) {
            Ok(n) => bytes = &bytes[n..],
            Err(e) if e.kind() == ErrorKind::WouldBlock => {}
            Err(_) => return false,
        }
    }
    true
}

/// What the server says until it has said `enough`, or closes.
async fn receive(stream: &TcpStream, enough: usize) -> String {
    let mut said = Vec::new();
    let mut piece = [0; 4096];
    let all = async {
        while said.len() < enough {
            stream.readable().await.expect("sockets can be waited for");
            match stream.try_read(&mut piece) {
                Err(e) if e.kind() == ErrorKind::WouldBlock => {}
                // Closed, or cut off.
                Ok(0) | Err(_) => break,
                Ok(n) => said.extend_from_slice(&piece[..n]),
            }
        }
    };
    timeout(DEADLINE, all).await.expect("the server answers or closes in time");
    String::from_utf8_lossy(&said).into_owned()
}

async fn until_closed(stream: &TcpStream) -> String {
    receive(stream, usize::MAX).await
}

const ASKING: &[u8] = b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n";
const CLOSING: &[u8] = b"GET /livez HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";

#[tokio::test]
async fn a_client_that_dribbles_its_head_is_cut_off() {
    let limits = Limits { header_read: Duration::from_millis(100), ..Limits::default() };
    let server = server(limits).await;
    let stream = TcpStream::connect(server.address).await.unwrap();
    assert!(send(&stream, b"GET /livez HTTP/1.1\r\nhost: x\r\nx-slow: ").await);
    let answer = until_closed(&stream).await;
    assert!(!answer.contains("200 OK"), "{answer}");
    // So is one that says nothing at all.
    until_closed(&TcpStream::connect(server.address).await.unwrap()).await;
}

#[tokio::test]
async fn a_head_beyond_all_measure_is_refused() {
    let server = server(Limits::default()).await;
    let stream = TcpStream::connect(server.address).await.unwrap();
    let long = format!("GET /livez HTTP/1.1\r\nhost: x\r\nx-long: {}\r\n\r\n", "x".repeat(100_000));
    // The server may close before it has taken all of it.
    let _ = send(&stream, long.as_bytes()).await;
    let answer = until_closed(&stream).await;
    assert!(!answer.contains("200 OK"), "{answer}");
}

#[tokio::test]
async fn connections_beyond_the_cap_wait_for_a_place() {
    let server = server(Limits { connections: 1, ..Limits::default() }).await;
    let first = TcpStream::connect(server.address).await.unwrap();
    assert!(send(&first, ASKING).await);
    assert!(receive(&first, 12).await.starts_with("HTTP/1.1 200"));
    let second = TcpStream::connect(server.address).await.unwrap();
    assert!(send(&second, CLOSING).await);
    let early = timeout(Duration::from_millis(100), second.readable()).await;
    assert!(early.is_err(), "the second connection was answered beside the first");
    drop(first);
    assert!(until_closed(&second).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn old_connections_are_closed() {
    let limits = Limits { connection_age: Duration::from_millis(50), ..Limits::default() };
    let server = server(limits).await;
    let stream = TcpStream::connect(server.address).await.unwrap();
    assert!(send(&stream, ASKING).await);
    assert!(until_closed(&stream).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn the_server_stops_when_asked_and_idle_clients_do_not_hold_it() {
    let Server { address, stop, done } = server(Limits::default()).await;
    let idle = TcpStream::connect(address).await.unwrap();
    assert!(send(&idle, ASKING).await);
    receive(&idle, 12).await;
    stop.send(()).unwrap();
    timeout(Duration::from_secs(5), done).await.expect("well within the grace").unwrap();
    until_closed(&idle).await;
    assert!(TcpStream::connect(address).await.is_err(), "nobody listens any more");
}

#[tokio::test]
async fn a_request_that_never_ends_does_not_hold_the_server_for_ever() {
    let limits = Limits { grace: Duration::from_millis(100), ..Limits::default() };
    let Server { address, stop, done } = server(limits).await;
    let stuck = TcpStream::connect(address).await.unwrap();
    assert!(send(&stuck, b"GET /metrics HTTP/1.1\r\nhost: x\r\n").await);
    stop.send(()).unwrap();
    timeout(DEADLINE, done).await.expect("the grace ends").unwrap();
}

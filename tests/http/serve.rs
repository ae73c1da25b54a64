//! Serving with a socket: what a client may hold, and for how long.

use std::net::SocketAddr;
use std::time::Duration;

use tidemark::http::{Limits, router, serve};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
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
    let listener = TcpListener::bind("127.0.0.1:0")
        .await
        .expect("loopback has ports");
    let address = listener.local_addr().expect("it is bound");
    let (stop, stopped) = oneshot::channel();
    let done = tokio::spawn(serve(listener, router(state(&rows())), limits, async {
        // A dropped sender stops as well.
        let _ = stopped.await;
    }));
    Server {
        address,
        stop,
        done,
    }
}

async fn read_all(mut stream: TcpStream) -> String {
    let mut text = String::new();
    let read = timeout(DEADLINE, stream.read_to_string(&mut text)).await;
    read.expect("the server closes in time")
        .expect("it is text");
    text
}

const CLOSING: &[u8] = b"GET /livez HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";

#[tokio::test]
async fn a_client_that_dribbles_its_head_is_cut_off() {
    let limits = Limits {
        header_read: Duration::from_millis(100),
        ..Limits::default()
    };
    let server = server(limits).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream
        .write_all(b"GET /livez HTTP/1.1\r\nhost: x\r\nx-slow: ")
        .await
        .unwrap();
    let answer = read_all(stream).await;
    assert!(!answer.contains("200 OK"), "{answer}");
    // So is one that says nothing at all.
    read_all(TcpStream::connect(server.address).await.unwrap()).await;
}

#[tokio::test]
async fn a_head_beyond_all_measure_is_refused() {
    let server = server(Limits::default()).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let long = format!(
        "GET /livez HTTP/1.1\r\nhost: x\r\nx-long: {}\r\n\r\n",
        "x".repeat(100_000)
    );
    // The server may close before it has taken all of it.
    let _ = stream.write_all(long.as_bytes()).await;
    let mut answer = Vec::new();
    let read = timeout(DEADLINE, stream.read_to_end(&mut answer)).await;
    let _ = read.expect("the server closes in time");
    assert!(!String::from_utf8_lossy(&answer).contains("200 OK"));
}

#[tokio::test]
async fn connections_beyond_the_cap_wait_for_a_place() {
    let server = server(Limits {
        connections: 1,
        ..Limits::default()
    })
    .await;
    let mut first = TcpStream::connect(server.address).await.unwrap();
    first
        .write_all(b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    let mut head = [0; 12];
    first.read_exact(&mut head).await.unwrap();
    assert_eq!(&head, b"HTTP/1.1 200");
    let mut second = TcpStream::connect(server.address).await.unwrap();
    second.write_all(CLOSING).await.unwrap();
    let early = timeout(Duration::from_millis(100), second.readable()).await;
    assert!(
        early.is_err(),
        "the second connection was answered beside the first"
    );
    drop(first);
    assert!(read_all(second).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn old_connections_are_closed() {
    let limits = Limits {
        connection_age: Duration::from_millis(50),
        ..Limits::default()
    };
    let server = server(limits).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream
        .write_all(b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    assert!(read_all(stream).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn the_server_stops_when_asked_and_idle_clients_do_not_hold_it() {
    let Server {
        address,
        stop,
        done,
    } = server(Limits::default()).await;
    let mut idle = TcpStream::connect(address).await.unwrap();
    idle.write_all(b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    let mut head = [0; 12];
    idle.read_exact(&mut head).await.unwrap();
    stop.send(()).unwrap();
    timeout(Duration::from_secs(5), done)
        .await
        .expect("well within the grace")
        .unwrap();
    read_all(idle).await;
    assert!(
        TcpStream::connect(address).await.is_err(),
        "nobody listens any more"
    );
}

#[tokio::test]
async fn a_request_that_never_ends_does_not_hold_the_server_for_ever() {
    let limits = Limits {
        grace: Duration::from_millis(100),
        ..Limits::default()
    };
    let Server {
        address,
        stop,
        done,
    } = server(limits).await;
    let mut stuck = TcpStream::connect(address).await.unwrap();
    stuck
        .write_all(b"GET /metrics HTTP/1.1\r\nhost: x\r\n")
        .await
        .unwrap();
    stop.send(()).unwrap();
    timeout(DEADLINE, done)
        .await
        .expect("the grace ends")
        .unwrap();
}

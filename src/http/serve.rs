//! Serving: an accept loop of our own, because `axum::serve` has no header-read timeout, no cap on
//! connections and no end to how long a slow reader may hold one.

use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::{sleep, timeout};

/// How much one server gives its clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Open connections; more wait in the listener's queue.
    pub connections: usize,
    /// Time to send the head of a request, also the longest idle time between two.
    pub header_read: Duration,
    /// Age at which a connection is closed behind its current answer; clients reconnect.
    pub connection_age: Duration,
    /// Time to finish answers at the end: of a connection, and of the server.
    pub grace: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            connections: 256,
            header_read: Duration::from_secs(10),
            connection_age: Duration::from_secs(300),
            grace: Duration::from_secs(10),
        }
    }
}

/// Longest head of a request. Ours are far below 2 KiB; hyper needs at least 8 KiB.
const HEAD_BYTES: usize = 16 * 1024;

/// Serves until `shutdown` completes, then lets open answers finish within the grace.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    limits: Limits,
    shutdown: impl Future<Output = ()>,
) {
    let slots = Arc::new(Semaphore::new(limits.connections.max(1)));
    let (stop, stopped) = watch::channel(());
    let mut shutdown = pin!(shutdown);
    loop {
        let next = async {
            // First the slot: a connection that is not accepted costs us nothing.
            let slot = Arc::clone(&slots).acquire_owned().await;
            (slot, accept(&listener).await)
        };
        let (slot, stream) = tokio::select! {
            () = &mut shutdown => break,
            (slot, stream) = next => (slot, stream),
        };
        let (router, mut stopped) = (router.clone(), stopped.clone());
        tokio::spawn(async move {
            let stop = async move {
                // Either a message or a dropped sender: both mean stop.
                let _ = stopped.changed().await;
            };
            connection(stream, router, limits, stop).await;
            drop(slot);
        });
    }
    drop(listener);
    drop(stop);
    // All slots back means that all connections are closed.
    let all = u32::try_from(limits.connections.max(1)).unwrap_or(u32::MAX);
    let _ = timeout(limits.grace, slots.acquire_many(all)).await;
}

/// The next connection. Out of files, or a client gone before it was taken: neither ends a server.
async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return stream,
            Err(e) if is_client(&e) => {}
            Err(e) => {
                tracing::warn!(error = %e, "could not accept a connection");
                sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

fn is_client(e: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(e.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

async fn connection(
    stream: TcpStream,
    router: Router,
    limits: Limits,
    stop: impl Future<Output = ()>,
) {
    // Answers are small and written whole: waiting for more to send only delays them.
    let _ = stream.set_nodelay(true);
    let service = TowerToHyperService::new(router);
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_read)
        .max_buf_size(HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), service);
    let mut served = pin!(served);
    tokio::select! {
        // Errors here are the client's: cut off, timed out, not HTTP.
        _ = &mut served => return,
        () = stop => {}
        () = sleep(limits.connection_age) => {}
    }
    served.as_mut().graceful_shutdown();
    let _ = timeout(limits.grace, served).await;
}

//! A proxy in front of Kafka brokers that understands enough of the protocol to hurt a request of
//! one kind and leave its neighbors alone. Brokers advertise the proxy's ports
//! (`scripts/kafka start --proxied`), so a client that comes through it stays behind it.

#![allow(dead_code, reason = "a toolbox; each test program uses a part of it")]

mod rules;
mod wire;

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

use rules::Message;
pub use rules::{Active, Effect, Rule, Rules, Way};
pub use wire::Api;
use wire::{Frames, Request, client_of, correlation};

/// A connection has two threads, and there are hundreds: they need little.
const STACK: usize = 128 << 10;

/// A proxy of some brokers: a listener each.
pub struct Proxy {
    shared: Arc<Shared>,
    ports: Vec<u16>,
}

struct Shared {
    rules: Rules,
    upstream: OnceLock<Vec<SocketAddr>>,
    connections: Mutex<Vec<Weak<Connection>>>,
    requests: AtomicU64,
    cut: AtomicU64,
    ended: AtomicBool,
}

/// A client's connection and the one to the broker.
struct Connection {
    broker: usize,
    client: TcpStream,
    server: TcpStream,
    /// What the client calls itself.
    name: OnceLock<String>,
    /// What the client asked and has no answer to, by correlation id.
    asked: Mutex<HashMap<i32, Api>>,
    /// Something was swallowed.
    torn: AtomicBool,
}

impl Connection {
    fn asked(&self) -> MutexGuard<'_, HashMap<i32, Api>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end(&self) {
        let _ = self.client.shutdown(Shutdown::Both);
        let _ = self.server.shutdown(Shutdown::Both);
    }
}

impl Proxy {
    /// Binds the listeners. Connections wait until [`Proxy::connect`].
    pub fn bind(brokers: usize) -> Proxy {
        let shared = Arc::new(Shared {
            rules: Rules::default(),
            upstream: OnceLock::new(),
            connections: Mutex::default(),
            requests: AtomicU64::new(0),
            cut: AtomicU64::new(0),
            ended: AtomicBool::new(false),
        });
        let listen = |broker| {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let port = listener.local_addr().unwrap().port();
            let shared = shared.clone();
            spawn(move || accept(&shared, broker, &listener));
            port
        };
        let ports = (0..brokers).map(listen).collect();
        Proxy { shared, ports }
    }

    /// Says where the brokers are.
    pub fn connect(&self, upstream: Vec<SocketAddr>) {
        assert_eq!(upstream.len(), self.ports.len());
        self.shared.upstream.set(upstream).unwrap();
    }

    /// Where it listens, in the order of the brokers.
    pub fn ports(&self) -> &[u16] {
        &self.ports
    }

    /// What a client has to be told to come through it.
    pub fn bootstrap(&self) -> String {
        let addresses: Vec<String> = self.ports.iter().map(|p| format!("127.0.0.1:{p}")).collect();
        addresses.join(",")
    }

    pub fn set(&self, rule: Rule) -> Arc<Active> {
        self.shared.rules.set(rule)
    }

    pub fn lift(&self, rule: &Arc<Active>) {
        self.shared.rules.lift(rule);
        self.mend();
    }

    /// Lifts all rules.
    pub fn heal(&self) {
        self.shared.rules.heal();
        self.mend();
    }

    /// Ends the connections with a hole: an answer that was swallowed never comes, and a client
    /// may wait a minute for it.
    fn mend(&self) {
        for connection in self.shared.connections().iter().filter_map(Weak::upgrade) {
            if connection.torn.load(Ordering::Relaxed) {
                connection.end();
            }
        }
    }

    /// Ends all connections (to one broker, where it is named). Returns how many there were.
    pub fn cut(&self, broker: Option<usize>) -> u64 {
        let mut n = 0;
        for connection in self.shared.connections().iter().filter_map(Weak::upgrade) {
            if broker.is_none_or(|b| b == connection.broker) {
                connection.end();
                n += 1;
            }
        }
        self.shared.cut.fetch_add(n, Ordering::Relaxed);
        n
    }

    /// How many requests it has passed on or hurt: a client that does not come through it would
    /// make every test of a fault an empty one.
    pub fn requests(&self) -> u64 {
        self.shared.requests.load(Ordering::Relaxed)
    }

    /// How many connections there are.
    pub fn connections(&self) -> usize {
        self.shared.connections().iter().filter(|c| c.strong_count() > 0).count()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Relaxed);
        self.heal();
        self.cut(None);
        for port in &self.ports {
            // Wakes the listener, so that it sees the end.
            let _ = TcpStream::connect(("127.0.0.1", *port));
        }
    }
}

impl Shared {
    fn connections(&self) -> MutexGuard<'_, Vec<Weak<Connection>>> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn spawn(work: impl FnOnce() + Send + 'static) {
    std::thread::Builder::new().name("proxy".into()).stack_size(STACK).spawn(work).unwrap();
}

fn accept(shared: &Arc<Shared>, broker: usize, listener: &TcpListener) {
    for client in listener.incoming() {
        if shared.ended.load(Ordering::Relaxed) {
            return;
        }
        let (Ok(client), Some(upstream)) = (client, shared.upstream.get()) else {
            continue;
        };
        if shared.rules.refuses(broker) {
            continue;
        }
        // A broker that is down refuses, and so does the proxy: it drops the client.
        let Ok(server) = TcpStream::connect_timeout(&upstream[broker], Duration::from_secs(5))
        else {
            continue;
        };
        let _ = (client.set_nodelay(true), server.set_nodelay(true));
        let (asked, torn) = (Mutex::default(), AtomicBool::new(false));
        let name = OnceLock::new();
        let connection = Arc::new(Connection { broker, client, server, name, asked, torn });
        {
            let mut connections = shared.connections();
            connections.retain(|c| c.strong_count() > 0);
            connections.push(Arc::downgrade(&connection));
        }
        for way in [Way::Requests, Way::Responses] {
            let (shared, connection) = (shared.clone(), connection.clone());
            spawn(move || {
                pump(&shared, &connection, way);
                connection.end();
            });
        }
    }
}

/// Passes the messages of one direction on until the connection ends or a rule ends it.
fn pump(shared: &Shared, connection: &Connection, way: Way) {
    let (mut from, mut to) = match way {
        Way::Requests => (&connection.client, &connection.server),
        _ => (&connection.server, &connection.client),
    };
    let mut frames = Frames::default();
    let mut buffer = vec![0; 64 << 10];
    loop {
        let Ok(n @ 1..) = from.read(&mut buffer) else {
            return;
        };
        frames.push(&buffer[..n]);
        loop {
            match frames.next() {
                Ok(None) => break,
                Ok(Some(frame)) if pass(shared, connection, way, &frame, &mut to) => {}
                // What is not Kafka has no business here.
                Ok(Some(_)) | Err(_) => return,
            }
        }
    }
}

/// Passes a message on, as the rules have it. `false` where the connection has to end.
fn pass(
    shared: &Shared,
    connection: &Connection,
    way: Way,
    frame: &[u8],
    to: &mut &TcpStream,
) -> bool {
    let body = &frame[4..];
    let api = match way {
        Way::Requests => {
            shared.requests.fetch_add(1, Ordering::Relaxed);
            let request = Request::parse(body);
            if let Some(request) = request {
                connection.asked().insert(request.correlation, request.api);
            }
            if let Some(name) = client_of(body) {
                connection.name.get_or_init(|| name.to_owned());
            }
            request.map(|r| r.api)
        }
        _ => correlation(body).and_then(|id| connection.asked().remove(&id)),
    };
    let mut pace = None;
    let mut swallowed = false;
    let client = connection.name.get().map(String::as_str);
    let message = Message { broker: connection.broker, client, api, way, body };
    for strike in shared.rules.strike(&message) {
        match strike.rule.effect {
            Effect::Cut => return false,
            Effect::Hold(time) => shared.rules.hold(&strike, time),
            Effect::Swallow => swallowed = true,
            Effect::Trickle => pace = Some((1, None)),
            Effect::Slow(rate) => pace = Some((4 << 10, Some(rate))),
            Effect::Refuse => {}
        }
    }
    if swallowed {
        connection.torn.store(true, Ordering::Relaxed);
        return true;
    }
    if connection.torn.load(Ordering::Relaxed) {
        return false;
    }
    match pace {
        None => to.write_all(frame).is_ok(),
        Some((size, rate)) => frame.chunks(size).all(|part| {
            if let Some(rate) = rate {
                let time = Duration::from_secs_f64(part.len() as f64 / rate.max(1) as f64);
                std::thread::park_timeout(time);
            }
            to.write_all(part).is_ok()
        }),
    }
}

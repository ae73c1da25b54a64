//! An HTTP client that does what it is told, also what no client should do.
#![allow(dead_code, reason = "each test program uses a part of it")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    head: String,
    pub body: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (n, value) = line.split_once(':')?;
            n.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }

    fn of(text: &str) -> Answer {
        let (head, body) =
            text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text:?}"));
        let status = head.split_whitespace().nth(1).unwrap().parse().unwrap();
        Answer { status, head: head.to_owned(), body: body.to_owned() }
    }
}

/// A request.
#[derive(Clone, Debug)]
pub struct Ask {
    pub method: &'static str,
    pub target: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Ask {
    pub fn post(target: &str, headers: &[(&str, &str)], body: &[u8]) -> Ask {
        let headers = headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        Ask { method: "POST", target: target.to_owned(), headers, body: body.to_vec() }
    }

    pub fn get(target: &str) -> Ask {
        Ask { method: "GET", ..Ask::post(target, &[], b"") }
    }

    fn head(&self) -> String {
        let Ask { method, target, .. } = self;
        let mut out =
            format!("{method} {target} HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\n");
        for (name, value) in &self.headers {
            out.push_str(&format!("{name}: {value}\r\n"));
        }
        out
    }

    /// Sends it whole, over a connection of its own.
    pub fn send(&self, to: SocketAddr) -> Answer {
        let mut bytes = self.head().into_bytes();
        bytes.extend(format!("content-length: {}\r\n\r\n", self.body.len()).into_bytes());
        bytes.extend(&self.body);
        Answer::of(&raw(to, &bytes))
    }

    /// Sends it in chunks.
    pub fn send_chunked(&self, to: SocketAddr, size: usize) -> Answer {
        let mut bytes = self.head().into_bytes();
        bytes.extend(b"transfer-encoding: chunked\r\n\r\n");
        for chunk in self.body.chunks(size) {
            bytes.extend(format!("{:x}\r\n", chunk.len()).into_bytes());
            bytes.extend(chunk);
            bytes.extend(b"\r\n");
        }
        bytes.extend(b"0\r\n\r\n");
        Answer::of(&raw(to, &bytes))
    }
}

/// Sends bytes, and reads all that comes back.
pub fn raw(to: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = open(to);
    // The server may close before it has taken all of it.
    let _ = stream.write_all(bytes);
    let mut said = Vec::new();
    let _ = stream.read_to_end(&mut said);
    String::from_utf8_lossy(&said).into_owned()
}

/// A connection that fails the test rather than hang.
pub fn open(to: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(to).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.set_write_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

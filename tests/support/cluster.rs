//! A cluster of the test's own, by `scripts/kafka`. It is stopped when it is dropped, and when the
//! test program ends in any other way.
#![allow(dead_code, reason = "each test program uses a part of it")]

use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Brokers are numbered from 1.
pub struct Cluster {
    dir: PathBuf,
    /// Where the brokers are.
    pub bootstrap: String,
    /// Where a proxy has to connect to.
    pub proxied: Vec<SocketAddr>,
    janitor: Child,
}

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/kafka")
}

impl Cluster {
    /// Starts `brokers` (1 or 3), behind proxies on these ports where there are any.
    pub fn start(brokers: usize, proxies: &[u16]) -> Cluster {
        let dir = tempfile::tempdir().unwrap().keep();
        let janitor = janitor(&dir);
        let mut cluster = Cluster { dir, bootstrap: String::new(), proxied: Vec::new(), janitor };
        let brokers = brokers.to_string();
        let ports: Vec<String> = proxies.iter().map(u16::to_string).collect();
        let ports = ports.join(",");
        let mut arguments = vec!["start", "--brokers", &brokers];
        if !proxies.is_empty() {
            arguments.extend(["--proxied", &ports]);
        }
        let said = cluster.script(&arguments);
        let line = |name: &str| said.lines().find_map(|l| l.strip_prefix(name));
        cluster.bootstrap = line("KAFKA_BOOTSTRAP=").unwrap().to_owned();
        let proxied = line("KAFKA_PROXIED=").unwrap_or_default().split(',');
        cluster.proxied = proxied.filter(|p| !p.is_empty()).map(|p| p.parse().unwrap()).collect();
        cluster
    }

    /// Whether a broker runs, or was not asked to end at least.
    pub fn is_alive(&self, broker: usize) -> bool {
        self.dir.join(format!("broker-{broker}.pid")).exists()
    }

    /// Ends a broker as `kill -9` does. Its data stays.
    pub fn kill(&self, broker: usize) {
        self.script(&["stop-broker", &broker.to_string(), "--kill"]);
    }

    /// Lets a broker answer nothing any more.
    pub fn freeze(&self, broker: usize) {
        self.signal(broker, "-STOP");
    }

    /// Lets it go on.
    pub fn thaw(&self, broker: usize) {
        self.signal(broker, "-CONT");
    }

    fn signal(&self, broker: usize, signal: &str) {
        let file = self.dir.join(format!("broker-{broker}.pid"));
        let pid = std::fs::read_to_string(file).unwrap();
        let sent = Command::new("kill").args([signal, pid.trim()]).status().unwrap();
        assert!(sent.success());
    }

    /// Asks a broker to end, and waits for it.
    pub fn stop(&self, broker: usize) {
        self.script(&["stop-broker", &broker.to_string()]);
    }

    /// Starts a broker again, and waits until it is ready.
    pub fn restart(&self, broker: usize) {
        self.script(&["start-broker", &broker.to_string()]);
    }

    fn script(&self, arguments: &[&str]) -> String {
        let out = Command::new(script())
            .args(arguments)
            .args(["--dir", self.dir.to_str().unwrap()])
            // The cluster of the other tests must not be taken for this one, and must not be hurt.
            .env_remove("KAFKA_BOOTSTRAP")
            .output()
            .unwrap();
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8_lossy(&out.stdout).into_owned()
    }
}

/// A process that stops the cluster when its input ends, which it does however this one ends:
/// what is in a static is not dropped, nor is anything on a signal.
fn janitor(dir: &Path) -> Child {
    Command::new("bash")
        .args(["-c", "read -r _; \"$0\" stop --dir \"$1\"; rm -rf -- \"$1\""])
        .arg(script())
        .arg(dir)
        .env_remove("KAFKA_BOOTSTRAP")
        // Ctrl-C is for the tests, and must not end it before it began.
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.janitor.stdin.take());
        let _ = self.janitor.wait();
    }
}

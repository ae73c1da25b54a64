//! Debian's Prometheus and Alertmanager with the configuration of `deploy/`, on ports of their own.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use super::process::{get, pause};
use super::support::await_some;

/// A server. Killed when dropped.
pub struct Server {
    child: Child,
    pub address: SocketAddr,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_port() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// Replaces what must be there once.
fn replaced(text: &str, from: &str, to: &str) -> String {
    assert_eq!(text.matches(from).count(), 1, "{from} in {text}");
    text.replace(from, to)
}

/// Starts a program; `None` where it is not installed.
fn start(dir: &Path, program: &str, address: SocketAddr, arguments: &[String]) -> Option<Server> {
    let log = std::fs::File::create(dir.join(format!("{program}.log"))).unwrap();
    let spawned = Command::new(program)
        .args(arguments)
        .current_dir(dir)
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn();
    let child = match spawned {
        Ok(child) => child,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            println!("skipped: {program} is not installed (scripts/setup test)");
            return None;
        }
        Err(e) => panic!("{program} does not start: {e}"),
    };
    let mut server = Server { child, address };
    await_some(program, Duration::from_secs(60), || {
        let ready = get(address, "/-/ready").is_some_and(|(status, _)| status == 200);
        if !ready {
            let said = || std::fs::read_to_string(dir.join(format!("{program}.log"))).unwrap();
            assert!(server.child.try_wait().unwrap().is_none(), "{program} ended: {}", said());
            pause();
        }
        ready.then_some(())
    });
    Some(server)
}

/// Alertmanager with the shipped configuration.
pub fn alertmanager(dir: &Path) -> Option<Server> {
    let address = free_port();
    let config = dir.join("alertmanager.yml");
    std::fs::write(&config, read("deploy/alertmanager/alertmanager.yml")).unwrap();
    let arguments = [
        format!("--config.file={}", config.display()),
        format!("--storage.path={}", dir.join("alertmanager").display()),
        format!("--web.listen-address={address}"),
        "--cluster.listen-address=".to_owned(),
    ];
    start(dir, "prometheus-alertmanager", address, &arguments)
}

/// Prometheus with the shipped configuration and rules; it asks fifteen times as often, and alerts
/// wait for a second where they wait for minutes.
pub fn prometheus(dir: &Path, tidemarks: &[SocketAddr], alerts: SocketAddr) -> Option<Server> {
    let address = free_port();
    let mut text = read("deploy/prometheus/prometheus.local.yml");
    let targets: Vec<String> = tidemarks.iter().map(SocketAddr::to_string).collect();
    text = replaced(&text, "127.0.0.1:9464", &targets.join("\", \""));
    text = replaced(&text, "127.0.0.1:9093", &alerts.to_string());
    text = text.replace("_interval: 15s", "_interval: 1s");
    std::fs::write(dir.join("prometheus.yml"), text).unwrap();
    std::fs::create_dir_all(dir.join("rules")).unwrap();
    let rules: String = read("deploy/prometheus/rules/tidemark.yml")
        .lines()
        .map(|line| match line.starts_with("        for: ") {
            true => "        for: 1s\n".to_owned(),
            false => format!("{line}\n"),
        })
        .collect();
    std::fs::write(dir.join("rules/tidemark.yml"), rules).unwrap();
    let arguments = [
        format!("--config.file={}", dir.join("prometheus.yml").display()),
        format!("--storage.tsdb.path={}", dir.join("data").display()),
        format!("--web.listen-address={address}"),
        "--enable-feature=exemplar-storage".to_owned(),
    ];
    start(dir, "prometheus", address, &arguments)
}

impl Server {
    /// What its API answers.
    pub fn ask(&self, path: &str, pairs: &[(&str, &str)]) -> Value {
        let mut query = form_urlencoded::Serializer::new(String::new());
        for (key, value) in pairs {
            query.append_pair(key, value);
        }
        let path = format!("{path}?{}", query.finish());
        let (status, body) =
            get(self.address, &path).unwrap_or_else(|| panic!("{path}: nobody answers"));
        assert_eq!(status, 200, "{path}: {body}");
        serde_json::from_str(&body).unwrap_or_else(|e| panic!("{path}: {e}: {body}"))
    }

    /// How many series a query of now returns.
    pub fn count(&self, query: &str) -> usize {
        let answer = self.ask("/api/v1/query", &[("query", query)]);
        answer["data"]["result"].as_array().map_or(0, Vec::len)
    }
}

//! A real Alertmanager, where it is installed.
#![allow(dead_code, reason = "each test program uses a part of it")]

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use tidemark::clock::monotonic;

/// One of its own. Killed when dropped.
pub struct Alertmanager {
    pub url: String,
    child: Child,
    _dir: tempfile::TempDir,
}

impl Drop for Alertmanager {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Alertmanager {
    /// Starts one; `None` where it is not installed, for the caller to skip: it has been told.
    pub fn start() -> Option<Alertmanager> {
        let names = ["prometheus-alertmanager", "alertmanager"];
        let there = |name: &&str| Command::new(name).arg("--version").output().is_ok();
        let Some(name) = names.into_iter().find(there) else {
            println!(
                "skipped: Alertmanager is not installed (apt-get install prometheus-alertmanager)"
            );
            return None;
        };
        let dir = tempfile::tempdir().unwrap();
        let config = dir.path().join("config.yml");
        std::fs::write(&config, "route:\n  receiver: none\nreceivers:\n  - name: none\n").unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = Command::new(name)
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.path={}", dir.path().join("data").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .arg("--cluster.listen-address=")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let url = format!("http://127.0.0.1:{port}");
        let alertmanager = Alertmanager { url, child, _dir: dir };
        let deadline = monotonic() + Duration::from_secs(30);
        while alertmanager.open().is_none() {
            assert!(monotonic() < deadline, "it does not answer");
            std::thread::park_timeout(Duration::from_millis(20));
        }
        Some(alertmanager)
    }

    /// What it knows to be open.
    pub fn open(&self) -> Option<Vec<Value>> {
        let body = ureq::get(format!("{}/api/v2/alerts", self.url)).call().ok()?;
        let text = body.into_body().read_to_string().ok()?;
        serde_json::from_str(&text).ok()
    }
}

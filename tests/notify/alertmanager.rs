//! A real Alertmanager: what we post is there, lasts while we tell of it, and ends when we do.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use tidemark::clock::monotonic;

use super::Job;

struct Alertmanager {
    url: String,
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
    fn start() -> Option<Alertmanager> {
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
        Some(Alertmanager { url: format!("http://127.0.0.1:{port}"), child, _dir: dir })
    }

    /// What it knows to be open.
    fn open(&self) -> Option<Vec<Value>> {
        let body = ureq::get(format!("{}/api/v2/alerts", self.url)).call().ok()?;
        let text = body.into_body().read_to_string().ok()?;
        serde_json::from_str(&text).ok()
    }
}

#[test]
fn an_alert_is_open_in_alertmanager_until_it_is_over_here() {
    let Some(alertmanager) = Alertmanager::start() else { return };
    let deadline = monotonic() + Duration::from_secs(30);
    while alertmanager.open().is_none() {
        assert!(monotonic() < deadline, "it does not answer");
        std::thread::park_timeout(Duration::from_millis(20));
    }
    let job = Job::start(&format!(
        "[[alerts.receivers]]\nname = \"am\"\ntype = \"alertmanager\"\nurl = \"{}/\"\n",
        alertmanager.url
    ));
    let mut workers = [job.open(0)];
    job.say("north", "firing", 1);
    job.say("south", "firing", 1);
    let open = || alertmanager.open().unwrap_or_default();
    job.until(&mut workers, "both are open", || open().len() == 2);
    let north = |alert: &&Value| alert["labels"]["territory"] == "north";
    let all = open();
    let alert = all.iter().find(north).unwrap();
    let labels = [
        ("alertname", "TidemarkDrift"),
        ("alert_id", "north"),
        ("app", "t"),
        ("kpi", "win_rate"),
        ("direction", "down"),
        ("severity", "warning"),
        ("territory", "north"),
    ];
    for (name, value) in labels {
        assert_eq!(alert["labels"][name], value, "{alert}");
    }
    let said = "win rate of territory north is down: 25.0 %, usual is 50.0 %";
    assert_eq!(alert["annotations"]["summary"], said);
    assert_eq!(alert["startsAt"], "2020-04-20T00:00:00.000Z");
    // A minute later it is told again, with a later end.
    let end = |all: &[Value]| all.iter().find(north).map(|a| a["endsAt"].to_string());
    let first = end(&all);
    job.until(&mut workers, "it lasts longer", || end(&open()) > first);
    job.say("north", "resolved", 2);
    job.say("south", "withdrawn", 2);
    job.until(&mut workers, "both are over", || open().is_empty());
    // What is over is not told again.
    job.idle(&mut workers[0]);
    assert_eq!((open().len(), job.count("am", "failed"), job.count("am", "given_up")), (0, 0, 0));
}

//! Prometheus' own check of a page of metrics.

use std::io::Write;
use std::process::{Command, Stdio};

/// Has promtool check a page; it must have nothing to say.
pub fn finds_nothing(page: &str) {
    let spawned = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut promtool = match spawned {
        Ok(promtool) => promtool,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            println!("skipped: promtool is not installed (apt-get install prometheus)");
            return;
        }
        Err(e) => panic!("promtool does not start: {e}"),
    };
    promtool.stdin.take().unwrap().write_all(page.as_bytes()).unwrap();
    let out = promtool.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&[out.stdout, out.stderr].concat()).into_owned();
    assert!(out.status.success() && said.trim().is_empty(), "{said}");
}

//! The real binary as a process: started, asked over HTTP, stopped, killed.
#![allow(dead_code, reason = "each test program uses a part of it")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use super::support::await_some;

/// A `tidemark` process. Killed when dropped.
pub struct Process {
    child: Child,
    log: PathBuf,
    address: Option<SocketAddr>,
}

impl Process {
    /// Starts the binary; what it says goes to a file in `dir`.
    pub fn start(dir: &Path, name: &str, arguments: &[&str]) -> Process {
        Process::spawn(dir, name, Command::new(env!("CARGO_BIN_EXE_tidemark")).args(arguments))
    }

    /// Starts the binary with these variables in its environment.
    pub fn start_with(
        dir: &Path,
        name: &str,
        variables: &[(&str, &str)],
        arguments: &[&str],
    ) -> Process {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tidemark"));
        Process::spawn(dir, name, command.args(arguments).envs(variables.iter().copied()))
    }

    /// Starts the binary under limits, as options of the shell's `ulimit`.
    pub fn start_limited(dir: &Path, name: &str, limits: &[&str], arguments: &[&str]) -> Process {
        let limits: String = limits.iter().map(|limit| format!("ulimit {limit} && ")).collect();
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("{limits}exec \"$0\" \"$@\"")]);
        shell.arg(env!("CARGO_BIN_EXE_tidemark")).args(arguments);
        Process::spawn(dir, name, &mut shell)
    }

    fn spawn(dir: &Path, name: &str, command: &mut Command) -> Process {
        let log = dir.join(format!("{name}.log"));
        let file = std::fs::File::create(&log).unwrap();
        let child = command
            .env("RUST_BACKTRACE", "1")
            .stdin(Stdio::null())
            .stdout(file.try_clone().unwrap())
            .stderr(file)
            .spawn()
            .unwrap();
        Process { child, log, address: None }
    }

    /// A size in its `/proc/PID/status`, in KiB, such as `VmHWM`: the most memory it ever had.
    pub fn status_kib(&self, name: &str) -> Option<u64> {
        let path = format!("/proc/{}/status", self.child.id());
        let text = std::fs::read_to_string(path).ok()?;
        let line = text.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(':'))?;
        line.trim().trim_end_matches(" kB").parse().ok()
    }

    /// What it said so far.
    pub fn said(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// The most memory that it had so far, kB; `None` where the system does not say.
    pub fn peak_kb(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"))?;
        line.trim().strip_suffix("kB")?.trim().parse().ok()
    }

    /// How it ended, where it did.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Where its server listens; waits until it says so.
    pub fn address(&mut self) -> SocketAddr {
        if let Some(address) = self.address {
            return address;
        }
        let address =
            await_some("the server's address in the log", Duration::from_secs(60), || {
                let said = self.said();
                let found = said.split("address=").nth(1).and_then(|rest| {
                    let end = rest.find(|c: char| !(c.is_ascii_digit() || c == '.' || c == ':'))?;
                    rest[..end].parse().ok()
                });
                if found.is_none() {
                    if let Ok(Some(status)) = self.child.try_wait() {
                        panic!("the process ended early ({status}):\n{said}");
                    }
                    pause();
                }
                found
            });
        self.address = Some(address);
        address
    }

    /// A GET of its server: status and body. `None` where it does not answer.
    pub fn get(&mut self, path: &str) -> Option<(u16, String)> {
        let answer = get(self.address(), path);
        if let (None, Ok(Some(status))) = (&answer, self.child.try_wait()) {
            panic!("the process ended ({status}):\n{}", self.said());
        }
        answer
    }

    /// Waits until it is ready.
    pub fn ready(&mut self) {
        await_some("ready", Duration::from_secs(60), || {
            let ready = self.get("/readyz").is_some_and(|(status, _)| status == 200);
            if !ready {
                pause();
            }
            ready.then_some(())
        });
    }

    /// Ends it as `kill -9` does.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Stops it in mid-step, as a machine that swaps or a debugger does, until [`Process::wake`].
    pub fn freeze(&self) {
        self.signal("-STOP");
    }

    /// Lets it go on.
    pub fn wake(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
    }

    /// Asks it to end, as an operator does, and waits for it.
    pub fn terminate(&mut self) -> ExitStatus {
        self.ask_to_end();
        self.wait(Duration::from_secs(60))
    }

    /// Asks it to end, and does not wait.
    pub fn ask_to_end(&self) {
        self.signal("-TERM");
    }

    /// Waits for its end.
    pub fn wait(&mut self, within: Duration) -> ExitStatus {
        await_some("the process ends", within, || {
            let ended = self.child.try_wait().unwrap();
            if ended.is_none() {
                pause();
            }
            ended
        })
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Lets the other side work before a condition is looked at again.
pub fn pause() {
    std::thread::park_timeout(Duration::from_millis(50));
}

/// A GET over a connection of its own.
pub fn get(address: SocketAddr, path: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(5)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(20))).ok()?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {address}\r\nConnection: close\r\n\r\n").ok()?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).ok()?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.split_whitespace().nth(1)?.parse().ok()?;
    Some((status, body.to_owned()))
}

/// Runs the binary to its end.
pub fn run_to_end(arguments: &[&str]) -> (Option<i32>, String, String) {
    let out = Command::new(env!("CARGO_BIN_EXE_tidemark")).args(arguments).output().unwrap();
    let text = |b: &[u8]| String::from_utf8_lossy(b).into_owned();
    (out.status.code(), text(&out.stdout), text(&out.stderr))
}

//! What verbs say on standard output and beside it. Whoever reads it may have seen enough, as `head`
//! has: then the verb ends, and nothing is wrong.

use std::fmt::Display;
use std::io::{ErrorKind, Result, Write, stderr, stdout};

use super::Failure;

/// Writes a line to standard output.
pub(super) fn say(line: impl Display) -> std::result::Result<(), Failure> {
    written(writeln!(stdout().lock(), "{line}"))
}

/// Writes lines that end as lines do.
pub(super) fn say_all(lines: impl Display) -> std::result::Result<(), Failure> {
    written(write!(stdout().lock(), "{lines}"))
}

/// Writes a line to standard error: if nobody reads it, it is lost.
pub(super) fn note(line: impl Display) {
    let _ = writeln!(stderr().lock(), "{line}");
}

fn written(done: Result<()>) -> std::result::Result<(), Failure> {
    done.map_err(|error| failed(anyhow::Error::from(error).context("cannot write the output")))
}

/// Why a verb failed that writes to standard output, or that its reader has seen enough.
pub(super) fn failed(error: anyhow::Error) -> Failure {
    match error.downcast_ref::<std::io::Error>() {
        Some(cause) if cause.kind() == ErrorKind::BrokenPipe => Failure::SeenEnough,
        _ => Failure::Runtime(error),
    }
}

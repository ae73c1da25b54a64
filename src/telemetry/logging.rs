//! The log of the process: to standard error, so that standard output stays data.

use std::io::IsTerminal;

use tracing_subscriber::filter::{EnvFilter, ParseError};

/// Environment variable with the filter, such as `debug` or `info,tidemark::log=trace`.
const FILTER: &str = "TIDEMARK_LOG";

/// Why logging was not set up.
#[derive(Debug, thiserror::Error)]
pub enum LogFilterError {
    /// The filter cannot be read.
    #[error(
        "{FILTER}=\"{0}\" is not a log filter such as \"info\" or \"info,tidemark::log=debug\""
    )]
    Filter(String, #[source] ParseError),
    /// Something in this process set up logging before.
    #[error("logging is already set up")]
    AlreadySet,
}

/// Sets up the log: one line an event, JSON where asked, `info` unless `TIDEMARK_LOG` says else.
pub fn init_logging(json: bool) -> Result<(), LogFilterError> {
    let text = std::env::var(FILTER).ok().filter(|t| !t.is_empty());
    let text = text.as_deref().unwrap_or("info");
    let filter = EnvFilter::try_new(text)
        .map_err(|e| LogFilterError::Filter(text.chars().take(200).collect(), e))?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(!json && std::io::stderr().is_terminal());
    let set = if json { builder.json().flatten_event(true).try_init() } else { builder.try_init() };
    set.map_err(|_| LogFilterError::AlreadySet)
}

//! `tidemark validate`: checks a configuration and prints what it means and costs.

use std::path::PathBuf;

use super::out::{note, say};
use super::{Failure, load, load_without_limits};
use crate::clock;
use crate::model::time::Timestamp;

#[derive(clap::Args)]
pub struct Arguments {
    /// Configuration (TOML).
    #[arg(long)]
    config: PathBuf,
    /// Lists the Prometheus families by name instead, each with its series, the largest first.
    #[arg(long)]
    families: bool,
}

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let config = match load(&arguments.config) {
        Ok(config) => config,
        Err(refused) => {
            // With the budget out of the way it may be right, and then it says what it costs.
            if let Some(config) = load_without_limits(&arguments.config) {
                let cost = if arguments.families { config.families_text() } else { config.cost() };
                let _ = say(cost);
            }
            return Err(refused);
        }
    };
    for warning in config.warnings() {
        note(format_args!("{warning}\n"));
    }
    let today = config.definition.calendar.day_of(Timestamp::from_millis(clock::wall_ms()));
    let dated = config.stale_targets(today).into_iter().chain(config.dated_baselines(today));
    for warning in dated {
        note(format_args!("{warning}\n"));
    }
    say(if arguments.families { config.families_text() } else { config.summary() })
}

//! `tidemark validate`: checks a configuration and prints what it means and costs.

use std::path::PathBuf;

use super::{Failure, load};
use crate::clock;
use crate::config::{Config, environment};
use crate::model::time::Timestamp;

/// The highest that a limit of series can be.
const MOST_SERIES: u64 = 100_000_000;

#[derive(clap::Args)]
pub struct Arguments {
    /// Configuration (TOML).
    #[arg(long)]
    config: PathBuf,
}

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let config = match load(&arguments.config) {
        Ok(config) => config,
        Err(refused) => {
            // With the budget out of the way it may be right, and then it says what it costs.
            let raised = ["MAX_SERIES", "MAX_SERIES_PER_FAMILY"]
                .map(|limit| (format!("TIDEMARK_LIMITS__{limit}"), MOST_SERIES.to_string()));
            if let Ok(config) = Config::load(&arguments.config, environment().chain(raised)) {
                println!("{}", config.cost());
            }
            return Err(refused);
        }
    };
    for warning in config.warnings() {
        eprintln!("{warning}\n");
    }
    let today = config.definition.calendar.day_of(Timestamp::from_millis(clock::wall_ms()));
    let dated = config.stale_targets(today).into_iter().chain(config.dated_baselines(today));
    for warning in dated {
        eprintln!("{warning}\n");
    }
    println!("{}", config.summary());
    Ok(())
}

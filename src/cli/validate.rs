//! `tidemark validate`: checks a configuration and prints what it means and costs.

use std::path::PathBuf;

use super::{Failure, load};
use crate::clock;
use crate::model::time::Timestamp;

#[derive(clap::Args)]
pub struct Arguments {
    /// Configuration (TOML).
    #[arg(long)]
    config: PathBuf,
}

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let config = load(&arguments.config)?;
    for warning in config.warnings() {
        eprintln!("{warning}\n");
    }
    let today = config.definition.calendar.day_of(Timestamp::from_millis(clock::wall_ms()));
    for warning in config.stale_targets(today) {
        eprintln!("{warning}\n");
    }
    println!("{}", config.summary());
    Ok(())
}

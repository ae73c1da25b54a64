//! `tidemark topics`: checks or creates the topics.

use std::path::PathBuf;

use super::out::say;
use super::{Failure, kafka, load};
use crate::app::{self, AppError};

#[derive(clap::Args)]
pub struct Arguments {
    /// What to do.
    #[arg(value_enum)]
    action: Action,
    /// Configuration (TOML).
    #[arg(long)]
    config: PathBuf,
    /// With create: also create missing source topics, with so many partitions.
    #[arg(long, value_name = "PARTITIONS", value_parser = clap::value_parser!(u32).range(1..))]
    sources: Option<u32>,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Action {
    /// Compare the topics with the configuration.
    Check,
    /// Create those that are missing; leave the others alone.
    Create,
}

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    super::logging(false)?;
    let config = load(&arguments.config)?;
    let log = kafka(&config)?;
    if matches!(arguments.action, Action::Create) {
        let mut created = app::create_topics(&config, &*log)?;
        if let Some(partitions) = arguments.sources {
            created.extend(app::create_sources(&config, &*log, partitions)?);
        }
        for topic in &created {
            let _ = say(format_args!("created {topic}"));
        }
    }
    let mut wrong = app::check_topics(&config, &*log).map_err(AppError::Log)?;
    wrong.extend(app::check_settings(&config, &*log).map_err(AppError::Log)?);
    if wrong.is_empty() {
        say("all topics are as they must be")
    } else {
        Err(AppError::Topics(wrong).into())
    }
}

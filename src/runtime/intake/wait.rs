//! Partitions that wait for a schema of a record, while the others go on: nothing behind the record
//! is read, committed or said to be complete, until the registry has answered.

use std::time::Instant;

use super::Intaker;
use crate::intake::{Decoder, Lookup};
use crate::log::Record;
use crate::runtime::registry::{News, Schemas, ask};
use crate::runtime::{Context, Fault};
use crate::telemetry::Stage;

/// What asks the configured registry.
pub(super) fn schemas(context: &Context) -> Result<Option<Schemas>, Fault> {
    let Some(config) = &context.config.schema_registry else { return Ok(None) };
    let start = |ask| Schemas::start(ask).map_err(|e| format!("no thread for the registry: {e}"));
    ask(config).and_then(start).map(Some).map_err(Fault::Refused)
}

/// What is known of the schema of a record; `None` where its partition has to wait.
pub(super) fn schema<'s>(
    decoder: &Decoder,
    record: &Record,
    schemas: &'s mut Option<Schemas>,
    now: Instant,
) -> Option<Lookup<'s>> {
    let (Some(key), Some(schemas)) = (decoder.wants(record), schemas) else {
        return Some(Lookup::Unasked);
    };
    schemas.lookup(key, now)
}

impl Intaker {
    /// Takes what the registry answered, and lets those go on that waited for it.
    pub(super) fn wake(&mut self) -> Result<(), Fault> {
        let any = self.parts.values().any(|part| part.waits);
        let now = (self.context.timer)();
        let Some(schemas) = self.schemas.as_mut().filter(|_| any) else { return Ok(()) };
        let telemetry = &self.context.telemetry;
        match schemas.poll(now) {
            News::None => return Ok(()),
            News::Away(why) => {
                telemetry.schema_fetched("away");
                tracing::warn!(stage = "intake", "the schema registry is away: {why}");
                for (partition, part) in self.parts.iter().filter(|(_, p)| p.stopped.is_none()) {
                    let place = partition.to_string();
                    if part.waits {
                        telemetry.stopped(Stage::Intake, &place);
                    } else {
                        telemetry.goes_on(Stage::Intake, &place);
                    }
                }
                self.tell();
                return Ok(());
            }
            News::Came(result) => telemetry.schema_fetched(result),
            News::Try => {}
        }
        for (partition, part) in self.parts.iter_mut().filter(|(_, p)| p.stopped.is_none()) {
            part.waits = false;
            if schemas.trouble().is_none() {
                telemetry.goes_on(Stage::Intake, &partition.to_string());
            }
        }
        let still_away = schemas.trouble().is_some();
        self.assign()?;
        // Until it has answered, they wait as far as people are concerned.
        if !still_away {
            self.tell();
        }
        Ok(())
    }

    /// Who waits for a registry that is away, and where.
    pub(super) fn waiting(&self) -> Option<String> {
        let why = self.schemas.as_ref()?.trouble()?;
        let waiting = self.parts.iter().filter(|(_, part)| part.waits);
        let places: Vec<String> =
            waiting.map(|(p, part)| format!("{p} waits at offset {}", part.next)).collect();
        (!places.is_empty()).then(|| {
            format!("{}: the schema registry is away ({why}); nothing is lost", places.join(", "))
        })
    }
}

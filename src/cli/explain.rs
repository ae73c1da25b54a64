//! `tidemark explain`: what stands behind a number.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use serde::Serialize;

use super::out::{say, say_all};
use super::{Failure, kafka, load, run::open_existing, whole::read_whole};
use crate::app::AppError;
use crate::clock::wall_ms;
use crate::config::Config;
use crate::log::{Log, LogError, Reader, TopicPartition};
use crate::model::partial::{PartialMessage, ShardBeat, offset_of};
use crate::model::time::Timestamp;

#[derive(clap::Args)]
pub struct Arguments {
    /// What to explain.
    #[arg(value_enum)]
    what: What,
    /// Configuration (TOML).
    #[arg(long)]
    config: PathBuf,
    /// The directory of an embedded log whose process is down.
    #[arg(long, value_name = "DIR")]
    embedded: Option<PathBuf>,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum What {
    /// Up to when event time is complete, and what holds it there.
    Watermark,
}

/// What holds the watermark.
#[derive(Debug, Serialize)]
struct Explained {
    /// Up to here all shards are complete.
    watermark: Option<String>,
    /// The shards, the one that holds the watermark first.
    shards: Vec<ShardShown>,
}

#[derive(Debug, Serialize)]
struct ShardShown {
    shard: u32,
    watermark: Option<String>,
    /// Next offset that it folds, as it said last; `None` where it never did.
    next: Option<u64>,
    /// End of its partition of the events topic.
    end: u64,
    /// Seconds since it said so.
    silent_seconds: Option<i64>,
    holder: Option<HolderShown>,
}

#[derive(Debug, Serialize)]
struct HolderShown {
    topic: String,
    partition: u32,
    watermark: Option<String>,
    /// Next offset that intake reads, as it said last.
    next: Option<u64>,
    /// End of the partition; `None` where it is not there any more.
    end: Option<u64>,
    rule: String,
}

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    super::logging(false)?;
    let config = load(&arguments.config)?;
    let log: Arc<dyn Log> = match &arguments.embedded {
        Some(dir) => Arc::new(open_existing(dir)?),
        None => kafka(&config)?,
    };
    let What::Watermark = arguments.what;
    let explained = explain(&config, &*log).map_err(AppError::Log)?;
    if arguments.json {
        say(serde_json::to_string_pretty(&explained).expect("plain data serializes"))
    } else {
        say_all(explained.text(&config))
    }
}

fn explain(config: &Config, log: &dyn Log) -> Result<Explained, LogError> {
    let mut reader = log.reader()?;
    let beats = beats(config, &mut *reader)?;
    let mut shards = Vec::new();
    for shard in 0..config.definition.shards {
        let events = TopicPartition::new(config.topics().events, shard);
        let end = reader.bounds(&events)?.end.0;
        shards.push(match beats.get(&shard) {
            None => ShardShown {
                shard,
                watermark: None,
                next: None,
                end,
                silent_seconds: None,
                holder: None,
            },
            Some((beat, at)) => ShardShown {
                shard,
                watermark: beat.watermark.map(|w| w.to_string()),
                next: Some(offset_of(beat.version)),
                end,
                silent_seconds: at.map(|ms| (wall_ms() - ms).max(0) / 1000),
                holder: holder(config, beat, &mut *reader)?,
            },
        });
    }
    // The least first; one that never said anything is less than all.
    let least = |s: &ShardShown| beats.get(&s.shard).and_then(|(beat, _)| beat.watermark);
    shards.sort_by_key(|s| (least(s), s.next.is_some(), s.shard));
    let watermark = shards.first().and_then(|s| s.watermark.clone());
    Ok(Explained { watermark, shards })
}

/// The newest progress of each shard, and when it was written. Every partition has all of them.
fn beats(
    config: &Config,
    reader: &mut dyn Reader,
) -> Result<BTreeMap<u32, (ShardBeat, Option<i64>)>, LogError> {
    let partition = TopicPartition::new(config.topics().partials, 0);
    let mut out: BTreeMap<u32, (ShardBeat, Option<i64>)> = BTreeMap::new();
    read_whole(reader, &partition, |record| {
        let value = record.value.as_deref().unwrap_or_default();
        if let Ok(PartialMessage::Beat(beat)) = PartialMessage::decode(value) {
            let known = out.get(&beat.shard);
            if known.is_none_or(|(known, _)| known.version <= beat.version) {
                out.insert(beat.shard, (beat, record.timestamp_ms));
            }
        }
    })?;
    Ok(out)
}

fn holder(
    config: &Config,
    beat: &ShardBeat,
    reader: &mut dyn Reader,
) -> Result<Option<HolderShown>, LogError> {
    let Some(holder) = &beat.holder else {
        return Ok(None);
    };
    let partition = TopicPartition::new(holder.group.as_str(), holder.part);
    let end = match reader.bounds(&partition) {
        Ok(bounds) => Some(bounds.end.0),
        Err(LogError::NoSuchPartition(_)) => None,
        Err(other) => return Err(other),
    };
    let behind = show(config.time.out_of_orderness.0);
    let rule = match holder.report {
        None => {
            "intake never reported it: it has no owner, or no record of it told a time yet and \
                 it is not known to be idle"
                .to_owned()
        }
        Some(report) if report.idle => {
            format!(
                "read to its end and quiet: it follows the clock, less time.out_of_orderness ({behind})"
            )
        }
        Some(_) => format!(
            "its newest event, less time.out_of_orderness ({behind}), until more comes; it also holds \
             while the partition stands still (tidemark_stopped)"
        ),
    };
    Ok(Some(HolderShown {
        topic: holder.group.clone(),
        partition: holder.part,
        watermark: holder.report.map(|r| r.watermark.to_string()),
        next: holder.report.map(|r| r.next),
        end,
        rule,
    }))
}

/// A span of microseconds in the units of the config.
fn show(micros: i64) -> String {
    let seconds = micros / 1_000_000;
    match seconds {
        s if s > 0 && s % 60 == 0 => format!("{}m", s / 60),
        s => format!("{s}s"),
    }
}

impl Explained {
    fn text(&self, config: &Config) -> String {
        let mut out = String::new();
        let now = Timestamp::from_millis(wall_ms());
        let _ = match &self.watermark {
            Some(at) => writeln!(out, "watermark {at} (now {now})"),
            None => writeln!(out, "watermark unknown: not every shard has reported (now {now})"),
        };
        let Some(first) = self.shards.first() else {
            return out;
        };
        let topic = config.topics().events;
        let _ = writeln!(out, "held by shard {}: {}", first.shard, first.state(&topic));
        if let Some(holder) = &first.holder {
            let _ = writeln!(out, "  which waits for {}", holder.state());
            let _ = writeln!(out, "  rule: {}", holder.rule);
        } else if first.next.is_some() {
            let _ = writeln!(
                out,
                "  which waits for the first progress of a source: intake reads none yet"
            );
        }
        for shard in &self.shards[1..] {
            let at = shard.watermark.as_deref().unwrap_or("unknown");
            let _ = writeln!(out, "shard {}: {at}, {}", shard.shard, shard.state(&topic));
        }
        out
    }
}

impl ShardShown {
    fn state(&self, topic: &str) -> String {
        match (self.next, self.silent_seconds) {
            (None, _) => format!(
                "it never reported: no ledger owns {topic}[{}], it is restoring, or it stands still (/readyz of \
                 its owner says why)",
                self.shard
            ),
            (Some(next), silent) => format!(
                "{topic}[{}] folded to {next} of {} (lag {}){}",
                self.shard,
                self.end,
                self.end.saturating_sub(next),
                silent.map_or(String::new(), |s| format!(", said so {s} s ago")),
            ),
        }
    }
}

impl HolderShown {
    fn state(&self) -> String {
        let place = format!("{}[{}]", self.topic, self.partition);
        let at = self.watermark.as_deref().unwrap_or("unknown");
        match (self.next, self.end) {
            (_, None) => format!("{place}, which does not exist any more; watermark {at}"),
            (None, Some(end)) => format!("{place}, which ends at offset {end}; watermark {at}"),
            (Some(next), Some(end)) => {
                let lag = end.saturating_sub(next);
                format!("{place}, read to {next} of {end} (lag {lag}); watermark {at}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app;
    use crate::intake::{beat_key, encode_heartbeat};
    use crate::log::memory::MemoryLog;
    use crate::log::{Outgoing, Partition};
    use crate::model::watermark::{Heartbeat, Holder, Report};

    #[test]
    fn the_shard_and_the_source_partition_that_hold_it_are_named() {
        let text = "[app]\nname = \"t\"\n[[sources]]\nname = \"crm\"\ntopics = [\"source\"]\n\
                    [topology]\nshards = 2\npartitions = 1\n";
        let config = Config::from_toml(text, "t.toml", std::iter::empty()).unwrap();
        let log = MemoryLog::default();
        app::create_sources(&config, &log, 2).unwrap();
        app::create_topics(&config, &log).unwrap();
        let put = |topic: &str, partition, key: String, value: Vec<u8>| {
            let (topic, partition) = (topic.into(), Partition(partition));
            let (key, value) = (Some(key.into_bytes()), Some(value));
            log.append(Outgoing { topic, partition, key, value, headers: Vec::new() }, None)
                .unwrap();
        };
        let at = Timestamp::parse_rfc3339("2026-03-02T10:00:00Z").unwrap();
        let topology = vec![("source".to_owned(), 2)];
        for i in 0..5 {
            put("source", 1, i.to_string(), b"{}".to_vec());
            let topic = "source".to_owned();
            let beat = Heartbeat {
                topic,
                partition: 0,
                topology: topology.clone(),
                watermark: at,
                idle: true,
                next: i,
                newest: Some(at),
                mark: None,
            };
            put("t.events", 0, beat_key(&beat), encode_heartbeat(&beat));
        }
        let never = explain(&config, &log).unwrap();
        assert!(never.text(&config).contains("held by shard 0: it never reported"), "{never:?}");

        let beat = |shard, hours: i64, report| {
            let holder = Some(Holder { group: "source".to_owned(), part: 1, report });
            PartialMessage::Beat(ShardBeat {
                shard,
                shards: 2,
                version: 3,
                watermark: Some(Timestamp(at.0 + hours * 3_600_000_000)),
                holder,
                doubts: Vec::new(),
                fine_floor: i32::MIN,
                definition: 1,
                kin: 0,
                alive: None,
            })
        };
        let report = Report { watermark: at, idle: false, next: 2 };
        for message in [beat(0, 0, Some(report)), beat(1, 2, None)] {
            put("t.g1.partials", 0, message.key(), message.encode());
        }
        let text = explain(&config, &log).unwrap().text(&config);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].starts_with("watermark 2026-03-02T10:00:00Z (now "), "{text}");
        assert_eq!(
            lines[1..],
            [
                "held by shard 0: t.events[0] folded to 3 of 5 (lag 2)",
                "  which waits for source[1], read to 2 of 5 (lag 3); watermark 2026-03-02T10:00:00Z",
                "  rule: its newest event, less time.out_of_orderness (1m), until more comes; it also \
                 holds while the partition stands still (tidemark_stopped)",
                "shard 1: 2026-03-02T12:00:00Z, t.events[1] folded to 3 of 0 (lag 0)",
            ]
        );
    }
}

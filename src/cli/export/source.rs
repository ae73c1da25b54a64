//! Where the rows of an export come from: the newest of each key of the results topic, or a file.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, anyhow};

use crate::app::AppError;
use crate::cli::out::note;
use crate::cli::run::open_existing;
use crate::cli::whole::read_whole;
use crate::cli::{Failure, kafka};
use crate::config::Config;
use crate::export::row_of;
use crate::http::board::{Applied, Board, Query, Segments};
use crate::http::wire::WireRow;
use crate::http::{Members, Mode, ServerInfo};
use crate::log::{Log, LogError, TopicPartition};
use crate::model::calendar::Calendar;
use crate::model::definition::Directory;
use crate::model::kpi::Kpis;
use crate::model::segment::Segment;
use crate::model::workdays::WorkCalendars;
use crate::model::zones::Zones;

/// Longest line of a file: far beyond any row.
const MAX_LINE: usize = 16 << 20;

/// Fills a board.
pub struct Source<'b> {
    board: &'b Board,
    max_rows: usize,
    /// What is asked for, where it is known already: the rest need not be held.
    queries: Option<&'b [Query]>,
    kpis: &'b Kpis,
    unreadable: u64,
}

impl<'b> Source<'b> {
    /// A source that fills this board with what the queries may find, up to `max_rows`.
    pub fn new(
        board: &'b Board,
        max_rows: usize,
        queries: Option<&'b [Query]>,
        kpis: &'b Kpis,
    ) -> Source<'b> {
        Source { board, max_rows, queries, kpis, unreadable: 0 }
    }

    /// Reads the results topic whole, as the board of a running process does.
    pub fn topic(&mut self, config: &Config, embedded: Option<&Path>) -> Result<(), Failure> {
        let log: Arc<dyn Log> = match embedded {
            Some(dir) => Arc::new(open_existing(dir)?),
            None => kafka(config)?,
        };
        let mut reader = log.reader().map_err(AppError::Log)?;
        let topic = config.topics().kpis;
        for partition in 0..config.definition.partitions {
            let at = TopicPartition::new(topic.as_str(), partition);
            read_whole(&mut *reader, &at, |record| {
                let key = String::from_utf8_lossy(record.key.as_deref().unwrap_or_default());
                self.take(&key, record.value.as_deref());
            })
            .map_err(|error| unread(error, &at))?;
            self.check()?;
        }
        if self.unreadable > 0 {
            note(format_args!(
                "{} records of {topic} are no rows, and are left out",
                self.unreadable
            ));
        }
        Ok(())
    }

    /// Reads a file. A rolling window has a row a day there, and each is kept.
    pub fn file(&mut self, path: &Path) -> Result<(), Failure> {
        let mut lines = lines(path).map_err(Failure::Runtime)?;
        let shown = if path.as_os_str() == "-" {
            "standard input".into()
        } else {
            path.display().to_string()
        };
        let mut line = Vec::new();
        for number in 1u64.. {
            line.clear();
            let read = (&mut lines).take(MAX_LINE as u64).read_until(b'\n', &mut line);
            let read = read.with_context(|| format!("cannot read {shown}"));
            if read.map_err(Failure::Runtime)? == 0 {
                break;
            }
            if line.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            let text = String::from_utf8_lossy(&line);
            let row = row_of(text.trim_end(), self.kpis);
            let row = row.with_context(|| format!("{shown}:{number} cannot be used"));
            let row = row.map_err(Failure::Runtime)?;
            let key = format!("{}:{}|{}", row.kind.name(), row.start, row.segment);
            self.take(&key, Some(text.trim_end().as_bytes()));
            self.check()?;
        }
        Ok(())
    }

    fn take(&mut self, key: &str, value: Option<&[u8]>) {
        let wanted = match value.map(WireRow::parse) {
            None => true,
            Some(Some((head, _))) => self.may_be_asked_for(&head.window.kind, &head.segment),
            Some(None) => {
                self.unreadable += 1;
                false
            }
        };
        // Above the limit nothing more is held; `check` says so.
        if wanted && self.board.len() <= self.max_rows {
            let applied = self.board.apply(key, value);
            self.unreadable += u64::from(applied == Applied::Unreadable);
        }
    }

    /// By what no later version of the row changes.
    fn may_be_asked_for(&self, kind: &str, segment: &Segment) -> bool {
        let asked = |query: &Query| {
            query.window.as_deref().is_none_or(|window| window == kind)
                && query.segments.hold(segment)
        };
        self.queries.is_none_or(|queries| queries.iter().any(asked))
    }

    fn check(&self) -> Result<(), Failure> {
        if self.board.len() <= self.max_rows {
            return Ok(());
        }
        Err(Failure::Runtime(anyhow!(
            "more than {} rows: narrow them down with --window, --grain or --segment, or raise --max-rows",
            self.max_rows
        )))
    }
}

/// A log without the topic is most often that of another configuration.
fn unread(error: LogError, at: &TopicPartition) -> Failure {
    match error {
        LogError::NoSuchPartition(_) => Failure::Environment(anyhow!(
            "the log has no \"{at}\", where rows would be: name the --config that `tidemark run` was \
             given (app.name and topology.partitions name it), or run it first"
        )),
        error => AppError::Log(error).into(),
    }
}

fn lines(path: &Path) -> anyhow::Result<Box<dyn BufRead>> {
    if path.as_os_str() == "-" {
        return Ok(Box::new(BufReader::new(std::io::stdin())));
    }
    let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    Ok(Box::new(BufReader::with_capacity(1 << 20, file)))
}

/// What rows that come without a configuration say of theirs.
pub fn info_of(board: &Board) -> Result<ServerInfo, Failure> {
    let all = board.query(&Query { segments: Segments::All, ..Query::default() });
    let mut info = ServerInfo {
        mode: Mode::Embedded,
        calendar: Calendar::of("UTC").expect("UTC is in the tz database"),
        currency: String::new(),
        app: String::new(),
        windows: Vec::new(),
        grains: Vec::new(),
        members: Members::default(),
        kpis: Kpis::ALL,
        periods: Vec::new(),
        work: WorkCalendars::default(),
        directory: Directory::default(),
        zones: Zones::default(),
    };
    let (mut windows, mut grains) = (BTreeSet::new(), BTreeSet::new());
    for (i, (_, json)) in all.rows.iter().enumerate() {
        let Some((head, _)) = WireRow::parse(json.as_bytes()) else { continue };
        if i == 0 {
            let zone = Calendar::of(&head.window.zone);
            info.calendar = zone.map_err(|e| Failure::Runtime(e.into()))?;
        }
        windows.insert(head.window.kind);
        let names = head.segment.parts.iter().map(|(name, _)| name.to_string());
        grains.insert(names.collect::<Vec<_>>());
    }
    info.windows = windows.into_iter().collect();
    info.grains = grains.into_iter().collect();
    Ok(info)
}

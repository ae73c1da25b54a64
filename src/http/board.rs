//! The board: every instance's view of all rows, tailed from the results topic.
//!
//! It keeps for each key the row with the highest version, so a stale or repeated row, whatever
//! its order, changes nothing. Rows stay the bytes that were published.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::ops::Bound;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use serde::Serialize;

use super::wire::{WireRow, instant};
use crate::model::calendar::Calendar;
use crate::model::row::Pane;
use crate::model::segment::Segment;
use crate::model::time::{Day, Timestamp};

/// Where a window may start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// At an instant.
    At(Timestamp),
    /// With a day of the zone that its row has.
    On(Day),
}

/// Seconds by which no zone is further ahead of UTC.
const FURTHEST: i64 = 16 * 3600;

impl Start {
    /// No window that starts there starts earlier.
    fn earliest(self) -> Timestamp {
        match self {
            Start::At(at) => at,
            Start::On(day) => Timestamp((i64::from(day.0) * 86_400 - FURTHEST) * 1_000_000),
        }
    }
}

impl From<Timestamp> for Start {
    fn from(at: Timestamp) -> Start {
        Start::At(at)
    }
}

/// What a row did to the board.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applied {
    /// It is shown, or its removal is.
    Changed,
    /// The board had the same or a newer version, or is full of newer windows.
    Stale,
    /// It is no row.
    Unreadable,
}

/// Which segments are asked for.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum Segments {
    /// All.
    #[default]
    All,
    /// Those of a grain that have these values.
    Grain(String, Vec<(String, String)>),
    /// Exactly this one.
    Exact(Vec<(String, String)>),
}

impl Segments {
    /// Whether the segment is one of them.
    pub fn hold(&self, segment: &Segment) -> bool {
        let has = |dims: &[(String, String)]| {
            dims.iter().all(|(name, value)| segment.value(name) == Some(value.as_str()))
        };
        match self {
            Segments::All => true,
            Segments::Grain(grain, dims) => segment.grain() == *grain && has(dims),
            Segments::Exact(dims) => segment.parts.len() == dims.len() && has(dims),
        }
    }
}

/// Where a reader of changes is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Since {
    /// Nowhere yet.
    Start,
    /// Behind a change of one life of a board.
    Cursor(Cursor),
}

/// A change: its number, and which life of a board it is a number of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    epoch: u64,
    seq: u64,
}

impl Cursor {
    /// From the text that [`Cursor`] is shown as.
    pub fn parse(text: &str) -> Option<Cursor> {
        let (epoch, seq) = text.split_once('.')?;
        Some(Cursor { epoch: u64::from_str_radix(epoch, 16).ok()?, seq: seq.parse().ok()? })
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}.{}", self.epoch, self.seq)
    }
}

/// What rows are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// Kind of window, such as `month`.
    pub window: Option<String>,
    /// Which segments.
    pub segments: Segments,
    /// Windows that start here or later.
    pub from: Option<Start>,
    /// Windows that start before this.
    pub to: Option<Start>,
    /// Which firing.
    pub status: Option<Pane>,
    /// Only changes behind this, in the order in which they happened.
    pub since: Option<Since>,
    /// At most so many rows.
    pub limit: usize,
    /// After skipping so many.
    pub offset: usize,
}

impl Default for Query {
    fn default() -> Query {
        Query {
            window: None,
            segments: Segments::All,
            from: None,
            to: None,
            status: None,
            since: None,
            limit: usize::MAX,
            offset: 0,
        }
    }
}

/// The rows found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The key and the JSON of each row.
    pub rows: Vec<(Arc<str>, Arc<str>)>,
    /// How many match, without limit and offset.
    pub total: usize,
    /// Where to go on with [`Query::since`].
    pub cursor: Cursor,
    /// The reader must forget what it has: rows were removed, or the board began anew.
    pub reset: bool,
}

/// A window that the board has rows of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct WindowShown {
    /// Kind.
    pub kind: Arc<str>,
    /// First instant.
    #[serde(serialize_with = "instant")]
    pub start: Timestamp,
    /// First instant after it.
    #[serde(serialize_with = "instant")]
    pub end: Timestamp,
    /// Zone of its calendar.
    pub zone: Arc<str>,
}

/// The sort order of rows: kind, start, segment. The key parts what would be equal.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    kind: Arc<str>,
    start: Timestamp,
    segment: Arc<str>,
    key: Arc<str>,
}

#[derive(Debug)]
struct Entry {
    window: WindowShown,
    /// The day that it starts with in its zone.
    day: Day,
    segment: Segment,
    pane: Pane,
    version: (u64, Option<Timestamp>),
    seq: u64,
    json: Arc<str>,
}

#[derive(Debug, Default)]
struct View {
    rows: BTreeMap<Place, Entry>,
    places: HashMap<Arc<str>, Place>,
    /// Rows by the end of their window, to know which are the oldest.
    ends: BTreeSet<(Timestamp, Place)>,
    windows: BTreeMap<WindowShown, usize>,
    /// By the names of zones that rows have; `None` of one that is not known here.
    calendars: HashMap<Arc<str>, Option<Calendar>>,
    as_of: Option<Timestamp>,
    seq: u64,
    removed: u64,
}

/// The shared view.
#[derive(Debug)]
pub struct Board {
    view: RwLock<View>,
    epoch: u64,
    limit: usize,
}

impl Board {
    /// An empty board of at most `limit` rows: beyond it, those of the windows that ended first
    /// leave. `epoch` tells the cursors of this board from those of its earlier lives; the wall
    /// clock in milliseconds will do.
    pub fn new(epoch: i64, limit: usize) -> Arc<Board> {
        let epoch = epoch.unsigned_abs();
        Arc::new(Board { view: RwLock::default(), epoch, limit: limit.max(1) })
    }

    /// Takes a record of the results topic; without a value it is a tombstone.
    pub fn apply(&self, key: &str, value: Option<&[u8]>) -> Applied {
        let Some(value) = value else {
            return self.remove(key);
        };
        let Some((row, json)) = WireRow::parse(value) else {
            return Applied::Unreadable;
        };
        let mut view = self.view.write().unwrap_or_else(PoisonError::into_inner);
        let version = (row.version, row.as_of);
        if let Some(place) = view.places.get(key) {
            let known = &view.rows[place];
            if known.version > version || (known.version == version && *known.json == *json) {
                return Applied::Stale;
            }
        } else if view.rows.len() >= self.limit && view.is_older_than_all(row.window.end) {
            // It would be the first to leave, and each removal resets all readers.
            return Applied::Stale;
        }
        view.take_out(key);
        view.seq += 1;
        view.as_of = view.as_of.max(row.as_of);
        let seq = view.seq;
        let kind: Arc<str> = view.shared_kind(&row.window.kind);
        let place = Place {
            kind: Arc::clone(&kind),
            start: row.window.start,
            segment: row.segment.to_string().into(),
            key: key.into(),
        };
        let window = WindowShown {
            kind,
            start: row.window.start,
            end: row.window.end,
            zone: row.window.zone.as_str().into(),
        };
        let (day, json) = (view.day_of(&window), json.into());
        let entry = Entry { window, day, segment: row.segment, pane: row.pane, version, seq, json };
        view.put(place, entry);
        while view.rows.len() > self.limit {
            view.evict_oldest();
        }
        Applied::Changed
    }

    fn remove(&self, key: &str) -> Applied {
        let mut view = self.view.write().unwrap_or_else(PoisonError::into_inner);
        if !view.take_out(key) {
            return Applied::Stale;
        }
        view.seq += 1;
        view.removed = view.seq;
        Applied::Changed
    }

    /// The rows that match, sorted by window kind, start and segment; with [`Query::since`] in the
    /// order in which they changed. A reader of changes should not filter by status or, for
    /// rolling windows, by start: a row that leaves the filter is not reported.
    pub fn query(&self, query: &Query) -> Answer {
        let view = self.read();
        let (after, reset) = match query.since {
            None => (None, false),
            Some(Since::Start) => (Some(0), false),
            Some(Since::Cursor(Cursor { epoch, seq })) => {
                let known = epoch == self.epoch && seq >= view.removed && seq <= view.seq;
                (Some(if known { seq } else { 0 }), !known)
            }
        };
        let mut found: Vec<_> = view
            .range(query)
            .filter(|(_, entry)| matches(query, entry))
            .filter(|(_, entry)| after.is_none_or(|after| entry.seq > after))
            .collect();
        if after.is_some() {
            found.sort_unstable_by_key(|(_, entry)| entry.seq);
        }
        let total = found.len();
        let page = found.get(query.offset.min(total)..).unwrap_or_default();
        let page = &page[..page.len().min(query.limit)];
        // A page of changes that was cut goes on behind its last one.
        let seq = match page.last() {
            Some((_, last)) if after.is_some() && query.offset + page.len() < total => last.seq,
            _ => view.seq,
        };
        Answer {
            rows: page.iter().map(|(p, e)| (Arc::clone(&p.key), Arc::clone(&e.json))).collect(),
            total,
            cursor: Cursor { epoch: self.epoch, seq },
            reset,
        }
    }

    /// Of each kind of window the current one: the newest that has begun at the newest watermark, of
    /// those in a zone; of a kind that has none there, of those in any.
    pub fn current_windows(&self, zone: &str) -> Vec<WindowShown> {
        let view = self.read();
        let mut out: Vec<WindowShown> = Vec::new();
        for window in view.windows.keys() {
            match out.last_mut() {
                Some(last) if last.kind == window.kind => {
                    let has_begun = view.as_of.is_none_or(|at| window.start <= at);
                    let (is_of, was_of) = (*window.zone == *zone, *last.zone == *zone);
                    if (has_begun && is_of == was_of) || (is_of && !was_of) {
                        *last = window.clone();
                    }
                }
                _ => out.push(window.clone()),
            }
        }
        out
    }

    /// The newest watermark behind any row.
    pub fn as_of(&self) -> Option<Timestamp> {
        self.read().as_of
    }

    /// How many rows it has.
    pub fn len(&self) -> usize {
        self.read().rows.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn read(&self) -> RwLockReadGuard<'_, View> {
        self.view.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl View {
    /// The day that a window starts with in its zone.
    fn day_of(&mut self, window: &WindowShown) -> Day {
        if !self.calendars.contains_key(&window.zone) {
            self.calendars.insert(Arc::clone(&window.zone), Calendar::of(&window.zone).ok());
        }
        match &self.calendars[&window.zone] {
            Some(calendar) => calendar.day_of(window.start),
            None => Day(window.start.0.div_euclid(86_400_000_000) as i32),
        }
    }

    fn is_older_than_all(&self, end: Timestamp) -> bool {
        self.ends.first().is_some_and(|(first, _)| end < *first)
    }

    /// The name of the kind, shared with the rows that have it already.
    fn shared_kind(&self, kind: &str) -> Arc<str> {
        let known = self.windows.keys().find(|w| *w.kind == *kind);
        known.map_or_else(|| kind.into(), |w| Arc::clone(&w.kind))
    }

    fn put(&mut self, place: Place, entry: Entry) {
        *self.windows.entry(entry.window.clone()).or_default() += 1;
        self.ends.insert((entry.window.end, place.clone()));
        self.places.insert(Arc::clone(&place.key), place.clone());
        self.rows.insert(place, entry);
    }

    fn take_out(&mut self, key: &str) -> bool {
        let Some(place) = self.places.remove(key) else {
            return false;
        };
        let Some(entry) = self.rows.remove(&place) else {
            return false;
        };
        if let Some(count) = self.windows.get_mut(&entry.window) {
            *count -= 1;
            if *count == 0 {
                self.windows.remove(&entry.window);
            }
        }
        self.ends.remove(&(entry.window.end, place));
        true
    }

    fn evict_oldest(&mut self) {
        let Some((_, oldest)) = self.ends.first() else {
            return;
        };
        let key = Arc::clone(&oldest.key);
        self.take_out(&key);
        self.seq += 1;
        self.removed = self.seq;
    }

    /// The rows of the window kind from the start asked for; all where no kind is named.
    fn range(&self, query: &Query) -> impl Iterator<Item = (&Place, &Entry)> {
        let lower = match &query.window {
            Some(kind) => Bound::Included(Place {
                kind: kind.as_str().into(),
                start: query.from.map_or(Timestamp(i64::MIN), Start::earliest),
                segment: "".into(),
                key: "".into(),
            }),
            None => Bound::Unbounded,
        };
        let kind = query.window.as_deref();
        self.rows
            .range((lower, Bound::Unbounded))
            .take_while(move |(place, _)| kind.is_none_or(|kind| *place.kind == *kind))
    }
}

fn matches(query: &Query, entry: &Entry) -> bool {
    let is_before = |start: Start| match start {
        Start::At(at) => entry.window.start < at,
        Start::On(day) => entry.day < day,
    };
    query.segments.hold(&entry.segment)
        && query.from.is_none_or(|from| !is_before(from))
        && query.to.is_none_or(is_before)
        && query.status.is_none_or(|pane| entry.pane == pane)
}

#[cfg(test)]
#[path = "board_tests.rs"]
mod tests;

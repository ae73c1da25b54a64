//! The definition of a job: everything that decides what a number *is*. Two processes with the
//! same definition compute the same numbers from the same log; a changed definition is a new
//! generation.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::calendar::Calendar;
use super::channel::ChannelRules;
use super::customers::{CustomerRules, Purchase};
use super::cycle::CycleStart;
use super::event::EntityKind;
use super::fx::Fx;
use super::kpi::Kpis;
use super::money::Currency;
use super::own::OwnMeasures;
use super::segment::Segment;
use super::slice::Retention;
pub use super::stage::{Found, Stage, StageTable};
use super::target::Targets;
use super::time::{Day, Span, Timestamp};
use super::window::WindowKind;
use super::workdays::WorkCalendars;
use super::zones::{ZoneId, Zones};

/// Version of the rules of the folds: raised when the same log would give other cells than before,
/// so that two releases with different rules never feed one generation.
const FOLDS: u32 = 10;

/// Who gets the credit when the owner (or territory, channel, …) changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Attribution {
    /// The values that held when the fact happened: closed history does not move. The default.
    #[default]
    AtEvent,
    /// The values that hold now: history moves with the deal.
    Current,
    /// The values that held when the entity came into being: who brought it keeps the credit.
    AtCreate,
}

impl Attribution {
    /// All rules with their names in the config.
    pub const ALL: [(Attribution, &'static str); 3] = [
        (Attribution::AtEvent, "at_event"),
        (Attribution::Current, "current"),
        (Attribution::AtCreate, "at_create"),
    ];

    /// The name in the config.
    pub fn as_str(self) -> &'static str {
        Self::ALL[self as usize].1
    }

    /// From the name in the config.
    pub fn parse(text: &str) -> Option<Attribution> {
        Self::ALL.iter().find(|(_, name)| *name == text).map(|(rule, _)| *rule)
    }
}

/// A rep, as the directory knows them.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct DirectoryEntry {
    /// Name to show; the id stays the label.
    pub name: Option<String>,
    /// Ids that other systems know them by, by the name of the source or of its system.
    pub ids: BTreeMap<String, String>,
    /// Dimension values that hold where an event states none: `team`, `territory`, …
    pub values: BTreeMap<String, String>,
    /// What changed of them, from the start of a day on. What a move does not name stays.
    pub moves: BTreeMap<Day, BTreeMap<String, String>>,
}

impl DirectoryEntry {
    /// The value of a dimension behind so many moves.
    pub fn value(&self, dimension: &str, moved: usize) -> Option<&str> {
        let moves = self.moves.values().take(moved).rev();
        let moved = moves.filter_map(|values| values.get(dimension)).next();
        moved.or_else(|| self.values.get(dimension)).map(String::as_str)
    }

    /// All values that a dimension ever has.
    pub fn ever(&self, dimension: &str) -> Vec<&str> {
        let all = self.moves.values().chain([&self.values]);
        all.filter_map(|values| values.get(dimension)).map(String::as_str).collect()
    }
}

/// A territory, as the directory knows it.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct TerritoryEntry {
    /// The region that it is in, before it first moved.
    pub region: String,
    /// Which one it is in from the start of a day on.
    pub moves: BTreeMap<Day, String>,
}

impl TerritoryEntry {
    /// The region on a day.
    pub fn region_on(&self, day: Day) -> &str {
        self.moves.range(..=day).next_back().map_or(&self.region, |(_, region)| region)
    }
}

/// The reps and other members known in advance. They get zero rows, and fill dimensions that an
/// event does not state.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Directory {
    /// By rep id.
    pub reps: BTreeMap<String, DirectoryEntry>,
    /// The regions of territories, by the territory's id.
    pub territories: BTreeMap<String, TerritoryEntry>,
    /// Further members by dimension: `channel` to its known values.
    pub members: BTreeMap<String, BTreeSet<String>>,
}

impl Directory {
    /// All values known in advance of a dimension.
    pub fn known(&self, dimension: &str) -> BTreeSet<&str> {
        let mut out: BTreeSet<&str> = match dimension {
            "rep" => self.reps.keys().map(String::as_str).collect(),
            _ => self.reps.values().flat_map(|rep| rep.ever(dimension)).collect(),
        };
        let ever = self.territories.values().flat_map(|t| t.moves.values().chain([&t.region]));
        match dimension {
            "territory" => out.extend(self.territories.keys().map(String::as_str)),
            "region" => out.extend(ever.map(String::as_str)),
            _ => {}
        }
        out.extend(self.members.get(dimension).into_iter().flatten().map(String::as_str));
        out
    }
}

/// The definition of a job.
#[derive(Clone, Debug, PartialEq)]
pub struct Definition {
    /// Number of shards of the events topic.
    pub shards: u32,
    /// Number of partitions of the partials and results topics.
    pub partitions: u32,
    /// Days are the days of this calendar, but of segments with a zone of their own.
    pub calendar: Calendar,
    /// Which segments have a zone of their own. It decides what their cells are, and under which keys
    /// their rows are known, so other zones are a new generation.
    pub zones: Zones,
    /// How long slices are kept.
    pub retention: Retention,
    /// The windows that rows are published for.
    pub windows: Vec<WindowKind>,
    /// The dimension sets; the empty one is the whole business. Dimensions are `rep` (the owner),
    /// any text field of a deal or lead, or one of the user's own (`x.industry`).
    pub segments: Vec<Vec<String>>,
    /// Currency of `revenue` and its kin.
    pub currency: Currency,
    /// By which rates amounts of other currencies come into it. Cells hold the amounts as they are,
    /// so another table needs no new generation: rows are corrected.
    pub fx: Fx,
    /// Who gets the credit for flows. Stocks always follow the current values.
    pub attribution: Attribution,
    /// A dimension that is unknown at the moment of a fact takes the first value stated within
    /// this time after it (HubSpot sends the owner as an event of its own).
    pub settle: Span,
    /// What stages mean.
    pub stages: StageTable,
    /// With what the cycle of a deal begins.
    pub cycle_from: CycleStart,
    /// Who is known in advance.
    pub directory: Directory,
    /// How a channel is told where none is stated.
    pub channels: Arc<ChannelRules>,
    /// How customers are counted.
    pub customers: CustomerRules,
    /// Whether cells have how large the deals won are, one by one. Only drift reads it, and days keep
    /// what they have, so it is where drift watches deal sizes.
    pub sizes: bool,
    /// Which KPIs rows have. Cells hold the measures of all of them.
    pub kpis: Kpis,
    /// Measures of the user's own. Cells hold all of them.
    pub measures: OwnMeasures,
    /// Which days are worked on. No cell depends on them, so they are part of no hash.
    pub work: WorkCalendars,
    /// What KPIs should be. As little a part of a hash.
    pub targets: Targets,
}

impl Definition {
    /// The dimensions that any segment uses, in the order of first use.
    pub fn dimensions(&self) -> Vec<String> {
        let mut out: Vec<String> = Vec::new();
        for dimension in self.segments.iter().flatten() {
            if !out.contains(dimension) {
                out.push(dimension.clone());
            }
        }
        out
    }

    /// All values known in advance of a dimension: by the directory, and of stages by their table.
    pub fn known(&self, dimension: &str) -> BTreeSet<&str> {
        let mut out = self.directory.known(dimension);
        if dimension == "stage" {
            out.extend(self.stages.shown().map(|(stage, ..)| stage));
        }
        out
    }

    /// The segments of members known in advance: they get zero rows. A set of several dimensions
    /// has none, since its combinations are not known.
    pub fn known_segments(&self) -> Vec<Segment> {
        let mut out = Vec::new();
        for set in &self.segments {
            match set.as_slice() {
                [] => out.push(Segment::overall()),
                [one] => {
                    let known = self.known(one).into_iter();
                    out.extend(known.map(|v| Segment::of([(one.as_str(), v)])));
                }
                _ => {}
            }
        }
        out
    }

    /// The zone by which a segment counts days.
    pub fn zone_of(&self, segment: &Segment) -> ZoneId {
        self.zones.of(segment)
    }

    /// The calendar of a zone.
    pub fn calendar_at(&self, zone: ZoneId) -> &Calendar {
        self.zones.calendar(&self.calendar, zone)
    }

    /// The calendar by which a segment counts days.
    pub fn calendar_of(&self, segment: &Segment) -> &Calendar {
        self.calendar_at(self.zone_of(segment))
    }

    /// Where dates without a time stand.
    pub fn dates(&self) -> &Calendar {
        self.zones.dates(&self.calendar)
    }

    /// The first fine and the first day slice still kept at a watermark: by the zone in which it is
    /// the earliest day, so that none lets go of a day before its time.
    pub fn floors(&self, watermark: Timestamp) -> (i32, i32) {
        let of = |zone| self.retention.floors(self.calendar_at(zone), watermark);
        let job = of(ZoneId::JOB);
        (job.0, self.zones.ids().skip(1).map(|zone| of(zone).1).fold(job.1, i32::min))
    }

    /// A stable hash of what decides which cells and windows there are: stored in images and
    /// progress records, so that a process with another definition refuses them. The version of
    /// the tz database is not part of it.
    pub fn hash(&self) -> u64 {
        // The debug form names every field in order.
        let mut text = format!(
            "{FOLDS} {} {} {} {:?} {:?} {:?} {} {}",
            self.shards,
            self.partitions,
            self.calendar.zone(),
            self.retention,
            self.windows,
            self.segments,
            self.currency,
            // Without a table stages are not kept, so a first table cannot be applied to the past.
            self.stages.is_empty(),
        );
        for (dimension, value, zone) in self.zones.rows(&self.calendar) {
            text.push_str(&format!(" {dimension:?} {value:?} {zone}"));
        }
        // The past of a field that was not kept is in the log only.
        let kept = self.kept();
        if !kept.is_empty() {
            text.push_str(&format!(" {kept:?}"));
        }
        xxhash_rust::xxh3::xxh3_64(text.as_bytes())
    }

    /// The fields that are kept for measures of the user's own and for the start of cycles alone, by
    /// type of entity.
    pub fn kept(&self) -> BTreeSet<(EntityKind, String)> {
        let dimensions = self.dimensions();
        let mut out = self.measures.kept(&dimensions, !self.stages.is_empty());
        if let CycleStart::Field(name) = &self.cycle_from {
            let name = format!("x.{name}");
            out.extend((!dimensions.contains(&name)).then_some((EntityKind::Deal, name)));
        }
        out
    }

    /// What makes a customer: nothing where no KPI asks, since cells keep purchases for good.
    pub fn purchases(&self) -> Purchase {
        if self.kpis.tell_of_customers() { self.customers.by } else { Purchase::Nothing }
    }

    /// A stable hash of what decides whom an entity's contributions are credited to, and which of
    /// them make a customer, tell their size or are the user's own, and with what cycles begin. Where it changed, cells are computed anew from the
    /// entities; no new generation is needed.
    pub fn reference_hash(&self) -> u64 {
        let (stages, directory) = (self.stages.meaning(), &self.directory);
        let customers = (self.purchases(), self.customers.exact_up_to);
        let rules = (self.attribution, self.settle, &self.channels, customers, self.sizes);
        let mut text = format!("v5 {stages} {directory:?} {rules:?}");
        let own = self.measures.meaning();
        if !own.is_empty() {
            text.push_str(&format!(" {own}"));
        }
        if self.cycle_from != CycleStart::Created {
            text.push_str(&format!(" {:?}", self.cycle_from));
        }
        xxhash_rust::xxh3::xxh3_64(text.as_bytes())
    }
}

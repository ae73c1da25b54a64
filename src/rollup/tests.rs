//! The rules of firing: when a row goes out, as what, and what it holds.

use super::*;
use crate::model::calendar::Calendar;
use crate::model::definition::{Attribution, Definition, Directory, DirectoryEntry, StageTable};
use crate::model::measure::{Measure, MeasureKey, Measures};
use crate::model::money::{Currency, EXACT_ONE, Exact};
use crate::model::partial::cell_key;
use crate::model::slice::Retention;
use crate::model::target::{Aim, Goal, Holds, Scope, Stated};
use crate::model::time::Span;
mod blind;
mod far;
mod followed;
mod zones;

const HOUR: i64 = 3_600_000_000;
const MONTH: WindowKind = WindowKind::Calendar(Period::Month);
const DAY: WindowKind = WindowKind::Calendar(Period::Day);

fn definition(windows: &[WindowKind], reps: &[&str]) -> Definition {
    let set = |dimensions: &[&str]| dimensions.iter().map(|d| (*d).to_owned()).collect();
    let reps = reps.iter().map(|r| ((*r).to_owned(), DirectoryEntry::default())).collect();
    Definition {
        shards: 2,
        partitions: 1,
        calendar: Calendar::of("UTC").unwrap(),
        zones: Default::default(),
        retention: Retention { fine: Span::days(8), days: Some(400) },
        windows: windows.to_vec(),
        segments: vec![set(&[]), set(&["rep"])],
        currency: Currency::parse("EUR").unwrap(),
        fx: crate::model::fx::Fx::default(),
        attribution: Attribution::AtEvent,
        settle: Span::minutes(5),
        cycle_from: Default::default(),
        stages: StageTable::default(),
        directory: Directory { reps, ..Directory::default() },
        channels: Default::default(),
        kpis: crate::model::kpi::Kpis::ALL,
        measures: Default::default(),
        work: crate::model::workdays::WorkCalendars::default(),
        targets: crate::model::target::Targets::default(),
        sizes: false,
        customers: Default::default(),
    }
}

/// A rollup under test; offsets count by themselves.
struct Part {
    rollup: Rollup,
    offset: u64,
}

/// A day of 2026 (`3-31`) and an hour.
fn at(day: &str, hour: i64) -> Timestamp {
    let (month, day) = day.split_once('-').unwrap();
    let start = Timestamp::parse_rfc3339(&format!("2026-{month:0>2}-{day:0>2}T00:00:00Z")).unwrap();
    Timestamp(start.0 + hour * HOUR)
}

fn day(text: &str) -> Slice {
    Slice::day(&Calendar::of("UTC").unwrap(), at(text, 0))
}

#[test]
fn a_window_far_ahead_stands_alone() {
    let months = |part: &Part| part.rollup.segments[0].calendar[&Period::Month].len();
    let mut part = Part::new(&[MONTH], &[], at("3-10", 0));
    part.rollup.tick(at("3-10", 1));
    let ahead = Slice { tier: Tier::Day, index: day("3-10").index + 36_500 };
    let due = |n| [(MeasureKey::plain(Measure::ActivitiesDue), n)].into_iter().collect();
    let cell = |slice, version, measures| {
        PartialMessage::Cell(Partial {
            shard: 0,
            version,
            segment: Segment::overall(),
            slice,
            measures,
        })
    };
    part.rollup.merge(Offset(1), cell(ahead, 1, due(1)));
    part.rollup.merge(Offset(2), cell(day("5-2"), 2, due(1)));
    part.rollup.tick(at("3-10", 2));
    assert_eq!(months(&part), 3, "March, May, and one in a hundred years");
    // When its time comes there is no gap before it.
    part.rollup.tick(at("5-1", 1));
    assert_eq!(months(&part), 4);
}

fn won(deals: i128, euros: i128) -> Measures {
    let eur = Currency::parse("EUR").unwrap();
    [
        (MeasureKey::plain(Measure::DealsWon), deals),
        (MeasureKey::currency(Measure::WonAmount, eur), euros * EXACT_ONE),
        (MeasureKey::currency(Measure::WonPriced, eur), deals),
    ]
    .into_iter()
    .collect()
}

fn open(deals: i128) -> Measures {
    [(MeasureKey::plain(Measure::OpenDeals), deals)].into_iter().collect()
}

impl Part {
    fn new(windows: &[WindowKind], reps: &[&str], now: Timestamp) -> Part {
        let definition = Arc::new(definition(windows, reps));
        Part { rollup: Rollup::new(definition, Partition(0), now), offset: 0 }
    }

    fn merge(&mut self, segment: &Segment, slice: Slice, version: (u32, u64), value: Measures) {
        self.offset += 1;
        let (shard, version) = version;
        let segment = segment.clone();
        let partial = Partial { shard, version, segment, slice, measures: value };
        self.rollup.merge(Offset(self.offset), PartialMessage::Cell(partial));
    }

    /// Shard 0 states the whole business of a slice.
    fn state(&mut self, slice: Slice, version: u64, value: Measures) {
        self.merge(&Segment::overall(), slice, (0, version), value);
    }

    fn beat(&mut self, watermark: Timestamp) {
        for shard in 0..2 {
            let beat = ShardBeat {
                shard,
                shards: 2,
                version: 0,
                watermark: Some(watermark),
                holder: None,
                doubts: Vec::new(),
                fine_floor: i32::MIN,
                definition: self.rollup.definition_hash,
                kin: 0,
                alive: None,
            };
            self.rollup.merge(Offset(0), PartialMessage::Beat(beat));
        }
    }

    /// The rows that are due, in short: key, firing, revision.
    fn tick(&mut self, now: Timestamp) -> Vec<String> {
        let short = |row: DueRow| {
            let json: serde_json::Value = serde_json::from_str(&row.json).unwrap();
            assert_eq!(json["status"], row.pane.as_str());
            format!(
                "{} {}#{}",
                row.key.replace("T00:00:00Z", ""),
                row.pane.as_str(),
                json["revision"]
            )
        };
        self.rollup.tick(now).into_iter().map(short).collect()
    }

    fn kpi(&self, window: &str, kpi: &str) -> serde_json::Value {
        let first = Day::parse("2026-01-01").unwrap();
        let rows = self.rollup.pane_rows(false).into_iter().chain(self.rollup.calendar_rows(first));
        let mut rows = rows.filter(|r| r.key().replace("T00:00:00Z", "") == window);
        let kpis: serde_json::Value =
            serde_json::from_str(&rows.next().unwrap().kpis_json()).unwrap();
        kpis[kpi].clone()
    }
}

#[test]
fn a_window_fires_early_then_on_time_then_corrected() {
    let mut part = Part::new(&[DAY], &[], at("3-2", 10));
    part.state(day("3-2"), 1, won(1, 5));
    assert_eq!(part.tick(at("3-2", 10)), ["day:2026-03-02|overall early#0"]);
    assert_eq!(part.tick(at("3-2", 11)), Vec::<String>::new(), "nothing changed");
    part.state(day("3-2"), 2, won(2, 9));
    assert_eq!(part.tick(at("3-2", 12)), ["day:2026-03-02|overall early#0"]);
    // The clock passes midnight: another day begins, but the watermark has not closed the old one.
    assert_eq!(part.tick(at("3-3", 1)), ["day:2026-03-03|overall early#0"]);
    part.beat(at("3-3", 0));
    // The running day went out before it was known how far events are complete: it does again.
    let again = "day:2026-03-03|overall early#0";
    assert_eq!(part.tick(at("3-3", 2)), ["day:2026-03-02|overall on_time#0", again]);
    part.state(day("3-2"), 3, won(1, 4));
    // The next day's growth is relative to the corrected one.
    assert_eq!(part.tick(at("3-3", 3)), ["day:2026-03-02|overall corrected#1", again]);
    part.state(day("3-2"), 4, won(1, 4));
    assert_eq!(part.tick(at("3-3", 4)), Vec::<String>::new(), "the same numbers again");
    part.state(day("3-2"), 5, won(2, 9));
    assert_eq!(part.tick(at("3-3", 5)), ["day:2026-03-02|overall corrected#2", again]);
}

#[test]
fn a_window_first_heard_of_behind_the_watermark_is_on_time() {
    let mut part = Part::new(&[DAY], &[], at("3-3", 10));
    part.beat(at("3-3", 9));
    part.tick(at("3-3", 10));
    part.state(day("3-1"), 1, won(1, 5));
    assert_eq!(part.tick(at("3-3", 11)), ["day:2026-03-01|overall on_time#0"]);
}

#[test]
fn stale_and_repeated_versions_change_nothing() {
    let mut part = Part::new(&[DAY], &[], at("3-2", 10));
    part.state(day("3-2"), 7, won(3, 3));
    part.tick(at("3-2", 10));
    for version in [7, 6, 1] {
        part.state(day("3-2"), version, won(9, 9));
    }
    assert_eq!(part.tick(at("3-2", 11)), Vec::<String>::new());
    part.merge(&Segment::overall(), day("3-2"), (1, 2), won(1, 1));
    assert_eq!(part.kpi("day:2026-03-02|overall", "deals_won")["value"], 4, "shards are added");
}

fn progress(definition: u64) -> ShardBeat {
    ShardBeat {
        shard: 0,
        shards: 2,
        version: 1,
        watermark: Some(at("3-2", 9)),
        holder: None,
        doubts: Vec::new(),
        fine_floor: i32::MIN,
        definition,
        kin: 0,
        alive: None,
    }
}

#[test]
fn progress_of_another_definition_is_refused() {
    let mut part = Part::new(&[DAY], &[], at("3-2", 10));
    let own = part.rollup.definition_hash;
    let beat = progress(own ^ 1);
    let merged = part.rollup.merge(Offset(0), PartialMessage::Beat(beat));
    assert_eq!(merged, Merged::Foreign { found: own ^ 1, own });
    assert_eq!(part.rollup.watermark(), None);
}

#[test]
fn the_slowest_shard_holds_the_watermark() {
    let mut part = Part::new(&[DAY], &[], at("3-2", 10));
    let own = part.rollup.definition_hash;
    let beat = |shard, hour| ShardBeat { shard, watermark: Some(at("3-2", hour)), ..progress(own) };
    let (one, two) = (beat(0, 9), beat(1, 4));
    assert_eq!(part.rollup.merge(Offset(0), PartialMessage::Beat(one)), Merged::Progress);
    assert_eq!(part.rollup.watermark(), None);
    part.rollup.merge(Offset(0), PartialMessage::Beat(two));
    assert_eq!(part.rollup.watermark(), Some(at("3-2", 4)));
    let holder = part.rollup.watermark_holder();
    let report = Report { watermark: at("3-2", 4), idle: false, next: 1 };
    assert_eq!(holder, Some(Holder { group: "shard".to_owned(), part: 1, report: Some(report) }));
}

#[test]
fn a_watermark_ahead_of_our_clock_closes_nothing_that_has_not_ended() {
    let mut part = Part::new(&[DAY], &[], at("3-2", 10));
    part.state(day("3-2"), 1, won(1, 1));
    // An idle source follows the clock of a machine that is a month ahead.
    part.beat(at("4-2", 10));
    assert_eq!(part.rollup.watermark(), Some(at("3-2", 10)));
    assert_eq!(part.tick(at("3-2", 11)), ["day:2026-03-02|overall early#0"]);
    assert_eq!(
        part.tick(at("3-3", 1)).first().map(String::as_str),
        Some("day:2026-03-02|overall on_time#0")
    );
}

#[test]
fn members_known_in_advance_have_zero_rows() {
    let mut part = Part::new(&[DAY], &["r1", "r2"], at("3-2", 10));
    let rows = ["overall", "rep=r1", "rep=r2"].map(|s| format!("day:2026-03-02|{s} early#0"));
    assert_eq!(part.tick(at("3-2", 10)), rows);
    part.beat(at("3-3", 0));
    let closed = rows.map(|r| r.replace("early", "on_time"));
    assert_eq!(part.tick(at("3-3", 0)), closed, "quiet days close too");
}

#[test]
fn a_cohort_is_shown_when_it_is_of_age() {
    let mut part = Part::new(&[MONTH], &[], at("1-31", 10));
    let created = [
        (MeasureKey::plain(Measure::DealsCreated), 4),
        (MeasureKey::days(Measure::CohortWon, 90), 1),
        (MeasureKey::days(Measure::CohortWon, 91), 1),
    ];
    part.state(day("1-10"), 1, created.into_iter().collect());
    part.beat(at("5-1", 23));
    part.tick(at("5-2", 10));
    let window = "month:2026-01-01|overall";
    assert_eq!(part.kpi(window, "cohort_conversion")["value"], 0.5);
    assert_eq!(part.kpi(window, "cohort_conversion_90d")["value"], serde_json::Value::Null);
    part.beat(at("5-2", 0));
    assert_eq!(part.tick(at("5-2", 11)), [format!("{window} corrected#1")]);
    assert_eq!(part.kpi(window, "cohort_conversion_90d")["value"], 0.25);
    part.beat(at("5-3", 0));
    part.tick(at("5-3", 1));
    assert_eq!(part.tick(at("5-3", 2)), Vec::<String>::new(), "it ripens once");
}

#[test]
fn stocks_stand_at_the_end_of_every_later_window() {
    let rolling = WindowKind::RollingDays(28);
    let mut part = Part::new(&[DAY, rolling], &[], at("3-4", 10));
    part.state(day("3-2"), 1, open(3));
    part.tick(at("3-4", 10));
    part.state(day("3-4"), 2, open(-1));
    part.state(day("3-6"), 2, open(-1));
    for (window, n) in [
        ("day:2026-03-02|overall", 3),
        ("day:2026-03-03|overall", 3),
        ("day:2026-03-04|overall", 2),
        ("rolling_28d|overall", 2),
    ] {
        assert_eq!(part.kpi(window, "open_deals")["value"], n, "{window}");
    }
    part.tick(at("3-6", 10));
    assert_eq!(part.kpi("rolling_28d|overall", "open_deals")["value"], 1);
}

#[test]
fn a_window_ahead_of_all_others_keeps_its_flow() {
    let mut part = Part::new(&[MONTH], &[], at("1-10", 0));
    part.tick(at("1-10", 0));
    part.state(day("4-5"), 1, won(1, 10));
    part.tick(at("1-10", 1));
    part.tick(at("4-6", 0));
    assert_eq!(part.kpi("month:2026-04-01|overall", "revenue")["value"], 10);
    assert_eq!(part.kpi("month:2026-03-01|overall", "revenue")["value"], 0);
}

#[test]
fn windows_no_longer_whole_are_not_shown_again() {
    let mut job = definition(&[DAY, MONTH], &[]);
    job.retention.days = Some(40);
    let rollup = Rollup::new(Arc::new(job), Partition(0), at("1-28", 10));
    let mut part = Part { rollup, offset: 0 };
    part.state(day("1-10"), 1, won(1, 10));
    part.state(day("1-28"), 1, won(1, 20));
    part.tick(at("1-28", 10));
    // Kept from 24 January on: the day of the 28th is whole, its month is not.
    part.tick(at("3-5", 10));
    part.state(day("1-28"), 2, Measures::new());
    part.state(day("1-10"), 2, Measures::new());
    assert_eq!(part.tick(at("3-5", 11)), ["day:2026-01-28|overall early#0"]);
    part.state(day("1-10"), 3, open(1));
    let rows = part.tick(at("3-5", 12));
    assert!(
        rows.iter().all(|r| !r.contains("2026-01-10") && !r.contains("month:2026-01")),
        "{rows:?}"
    );
}

#[test]
fn a_cell_out_of_retention_leaves_moving_windows_whole() {
    let kind = WindowKind::rolling(60).unwrap();
    let mut part = Part::new(&[kind], &[], at("3-2", 10));
    let slice = Slice::fine(Timestamp(at("3-2", 10).0 - 1));
    part.state(slice, 1, won(1, 10));
    part.tick(at("3-2", 10));
    assert_eq!(part.kpi("rolling_1h|overall", "deals_won")["value"], 1);
    part.rollup.forget(Offset(900), "no key of ours");
    part.rollup.forget(Offset(1000), &cell_key(0, &Segment::overall(), slice));
    part.tick(at("3-2", 10));
    assert_eq!(part.kpi("rolling_1h|overall", "deals_won")["value"], 0);
    assert!(part.rollup.pane_rows(false).iter().all(|row| row.version == 1000));
    part.tick(at("3-2", 12));
    assert_eq!(part.kpi("rolling_1h|overall", "deals_won")["value"], 0, "not below zero");
}

#[test]
fn after_a_restart_firings_go_on_where_they_were() {
    let mut part = Part::new(&[DAY], &["r1"], at("3-2", 10));
    part.state(day("3-2"), 1, won(1, 5));
    let key = "day:2026-03-02T00:00:00Z|overall";
    let kpis = |part: &mut Part| {
        let row = part.rollup.tick(at("3-3", 2)).into_iter().find(|r| r.key == key).unwrap();
        row.json[row.json.find("\"kpis\":").unwrap() + 7..row.json.len() - 1].to_owned()
    };
    let shown = kpis(&mut part);
    let mut next = Part::new(&[DAY], &["r1"], at("3-3", 2));
    next.rollup.seen(key, &shown, false, Pane::Corrected, 4);
    next.rollup.seen("day:2026-03-02T00:00:00Z|rep=r1", "{}", false, Pane::Early, 0);
    next.rollup.seen("rolling_28d|overall", "{}", false, Pane::Early, 0);
    next.state(day("3-2"), 1, won(1, 5));
    // The watermark is not known again yet: what was closed stays closed.
    let early = next.tick(at("3-3", 2));
    assert!(early.contains(&"day:2026-03-02|overall corrected#4".to_owned()), "{early:?}");
    next.state(day("3-2"), 2, won(2, 6));
    assert!(next.tick(at("3-3", 2)).contains(&"day:2026-03-02|overall corrected#5".to_owned()));
    next.beat(at("3-3", 1));
    // The quiet day was shown early before the restart, and is closed now. What went out before is
    // repeated with how far events are complete.
    let (before, today) = ("day:2026-03-02|overall corrected#5", "day:2026-03-03|overall early#0");
    let quiet = ["day:2026-03-02|rep=r1 on_time#0", "day:2026-03-03|rep=r1 early#0"];
    assert_eq!(next.tick(at("3-3", 3)), [before, quiet[0], today, quiet[1]]);
    next.state(day("3-2"), 3, won(3, 7));
    assert!(next.tick(at("3-3", 4)).contains(&"day:2026-03-02|overall corrected#6".to_owned()));
}

#[test]
fn a_repair_repeats_rows_as_they_are() {
    let mut part = Part::new(&[DAY], &[], at("3-2", 10));
    part.state(day("3-2"), 1, won(1, 5));
    part.beat(at("3-3", 1));
    let first = part.tick(at("3-3", 1));
    part.rollup.re_emit();
    assert_eq!(part.tick(at("3-3", 2)), first);
    assert_eq!(part.tick(at("3-3", 3)), Vec::<String>::new());
}

/// An owner that reads and ticks at other moments may publish what a window was in between, above what
/// was published before: what it is again has to go out above that.
#[test]
fn what_changed_and_changed_back_goes_out_again() {
    let rolling = WindowKind::RollingDays(28);
    let mut part = Part::new(&[DAY, rolling], &[], at("3-2", 10));
    part.state(day("3-1"), 1, won(1, 5));
    part.state(day("3-2"), 1, won(1, 5));
    part.tick(at("3-2", 10));
    part.state(day("3-1"), 2, won(0, 0));
    part.merge(&Segment::overall(), day("3-1"), (1, 1), won(1, 5));
    let all = ["day:2026-03-01", "day:2026-03-02", "rolling_28d"];
    assert_eq!(part.tick(at("3-2", 10)), all.map(|w| format!("{w}|overall early#0")));
    // A stock, which every later window holds; a repetition, which changes nothing; a change that
    // no later window is compared by.
    part.state(day("3-1"), 3, open(1));
    part.state(day("3-1"), 4, won(0, 0));
    assert_eq!(part.tick(at("3-2", 10)).len(), 3);
    part.state(day("3-1"), 4, won(0, 0));
    assert_eq!(part.tick(at("3-2", 10)), Vec::<String>::new());
    let lead = |n| [(MeasureKey::plain(Measure::LeadsCreated), n)].into_iter().collect();
    part.state(day("3-1"), 5, lead(1));
    part.state(day("3-1"), 6, lead(0));
    let own = ["day:2026-03-01", "rolling_28d"];
    assert_eq!(part.tick(at("3-2", 10)), own.map(|w| format!("{w}|overall early#0")));
}

#[test]
fn now_never_runs_back() {
    let mut part = Part::new(&[DAY], &[], at("3-2", 10));
    part.tick(at("3-5", 1));
    assert_eq!(part.tick(at("3-2", 1)), Vec::<String>::new());
    part.state(day("3-5"), 1, won(1, 5));
    assert_eq!(part.tick(at("3-1", 1)), ["day:2026-03-05|overall early#0"]);
}

/// The day moves how a month stands against its target: its row is news, and no correction.
#[test]
fn a_new_day_tells_of_the_pace_and_corrects_nothing() {
    let mut definition = definition(&[MONTH], &[]);
    let goal = Goal {
        aim: Aim::Target,
        kpi: "revenue".to_owned(),
        accrues: true,
        ripens: false,
        holds: Holds::Every(Period::Month),
        value: Exact::whole(1000),
        growth: Exact(0),
        valid_from: None,
        owner: None,
        note: None,
        stated: Stated::default(),
    };
    definition.targets.insert(Scope::Of(Segment::overall()), goal);
    let rollup = Rollup::new(Arc::new(definition), Partition(0), at("3-10", 0));
    let mut part = Part { rollup, offset: 0 };
    part.state(day("3-9"), 1, won(1, 500));
    let month = |due: Vec<DueRow>| -> Vec<serde_json::Value> {
        let march = due.into_iter().filter(|row| row.key.starts_with("month:2026-03"));
        march.map(|row| serde_json::from_str(&row.json).unwrap()).collect()
    };
    let first = month(part.rollup.tick(at("3-10", 1)));
    assert_eq!(first[0]["targets"]["revenue"]["attainment"], 0.5);
    assert_eq!(first[0]["targets"]["revenue"]["working_days"]["elapsed"], 7);
    assert_eq!(month(part.rollup.tick(at("3-10", 9))).len(), 0, "nothing new");
    let next = month(part.rollup.tick(at("3-11", 1)));
    assert_eq!(next[0]["targets"]["revenue"]["working_days"]["elapsed"], 8);
    assert_eq!((&next[0]["status"], &next[0]["revision"]), (&"early".into(), &0.into()));
    // Closed by the watermark while the days still ran, and over a day later.
    part.beat(at("4-1", 0));
    let closed = month(part.rollup.tick(at("4-1", 0)));
    assert_eq!(closed[0]["status"], "on_time");
    let over = month(part.rollup.tick(at("4-1", 1)));
    assert_eq!((&over[0]["status"], &over[0]["revision"]), (&"on_time".into(), &0.into()));
    assert_eq!(over[0]["targets"]["revenue"]["required_per_day"], serde_json::Value::Null);
}

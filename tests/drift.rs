//! Drift through the rollup: one alert an episode, the same in any order of arrival, taken back
//! where corrections undo it, and known again after a restart.

use std::collections::BTreeMap;

use proptest::prelude::*;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use serde_json::Value;
use tidemark::config::Config;
use tidemark::model::alert::State;
use tidemark::model::measure::{Measure, MeasureKey};
use tidemark::model::partial::{Partial, PartialMessage, cell_key};
use tidemark::model::record::Offset;
use tidemark::model::segment::Segment;
use tidemark::model::slice::{Slice, Tier};
use tidemark::model::time::{Day, Timestamp};
use tidemark::model::watermark::Doubt;

use part::*;

#[path = "support/part.rs"]
mod part;

#[test]
fn an_episode_is_one_alert_that_says_what_happened() {
    let mut part = Part::new(&config(""), &BTreeMap::new());
    let sales = sales(1);
    for (day, (won, lost)) in sales[..QUIET as usize].iter().enumerate() {
        part.cell(0, 1, day as i32, *won, *lost);
        assert_eq!(part.close(day as i32 + 1), []);
    }
    live(&mut part, &sales);
    let standing = part.standing();
    let [alert] = &standing[..] else { panic!("{standing:#?}") };
    assert_eq!((&alert["state"], &alert["kpi"]), (&"firing".into(), &"win_rate".into()));
    assert_eq!(alert["id"], format!("win_rate|overall|{FIRST}|down1"));
    assert_eq!(alert["baseline_from"], format!("{FIRST}T00:00:00Z"));
    let number = |name: &str| alert[name].as_f64().unwrap();
    assert!(number("now") < 0.3 && number("baseline") > 0.45 && number("effect") < -0.3);
    assert!(number("statistic") >= number("threshold"));
    assert!(number("expected_false_alarms_per_month") <= 4.0 / 12.0);
    let change = Timestamp::parse_rfc3339(alert["change_time"].as_str().unwrap()).unwrap();
    let change = part.definition.calendar.day_of(change).0 - first();
    assert!((QUIET - 6..=QUIET + 3).contains(&change), "{change}");
    assert_eq!(part.told(), [], "nothing is said twice");
    let readings = part.rollup.readings();
    assert_eq!(readings.len(), 1, "reps are not watched: {readings:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Days come in any order, in two versions, and are judged at any moments: at the end stands
    /// what stands where they came in order.
    #[test]
    fn the_order_of_arrival_decides_nothing(seed in 0u64..1000, shuffle in any::<u64>()) {
        let sales = sales(seed);
        let config = config("");
        let mut ordered = Part::new(&config, &BTreeMap::new());
        live(&mut ordered, &sales);

        let mut dice = rand_chacha::ChaCha8Rng::seed_from_u64(shuffle);
        let mut part = Part::new(&config, &BTreeMap::new());
        let mut arrivals: Vec<(i32, u64)> =
            (0..sales.len() as i32).flat_map(|day| [(day, 1), (day, 2)]).collect();
        arrivals.shuffle(&mut dice);
        let mut closed = 1;
        for (day, version) in arrivals {
            // The first version is wrong, and may come behind the second.
            let (won, lost) = if version == 1 { (0, 9) } else { sales[day as usize] };
            part.cell(day as u32 % SHARDS, version, day, won, lost);
            closed = (closed + dice.random_range(0..2)).min(QUIET + FALLEN);
            part.close(closed);
        }
        part.close(QUIET + FALLEN);
        prop_assert_eq!(part.standing(), ordered.standing());
    }
}

#[test]
fn a_correction_takes_an_alert_back_and_keeps_it_gone() {
    let config = config("");
    let mut part = Part::new(&config, &BTreeMap::new());
    live(&mut part, &sales(1));
    assert_eq!(part.standing().len(), 1);
    for day in QUIET - 10..QUIET + FALLEN {
        part.cell(day as u32 % SHARDS, 2, day, 5, 5);
    }
    let due = part.told();
    let [gone] = &due[..] else { panic!("{due:?}") };
    let told: Value = serde_json::from_str(&gone.json).unwrap();
    assert_eq!((&told["state"], &told["withdrawn"]), (&"resolved".into(), &true.into()));
    assert_eq!(part.standing(), Vec::<Value>::new());
    assert_eq!(part.told(), []);
    part.cell(0, 3, QUIET, 6, 4);
    assert_eq!(part.told(), [], "what was taken back is taken back once");
}

#[test]
fn a_restart_says_it_again_under_the_same_id_and_ends_what_is_no_more() {
    let config_now = config("");
    let sales = sales(1);
    let mut before = Part::new(&config_now, &BTreeMap::new());
    live(&mut before, &sales);
    let standing = before.standing();
    let mut topic = before.topic.clone();
    let stray = topic.values().next().unwrap().replace("|overall|", "|rep=gone|");
    topic.insert(format!("win_rate|rep=gone|{FIRST}|down1"), stray);

    let restore = |config: &Config, closed: i32| {
        let mut after = Part::new(config, &topic);
        for (day, (won, lost)) in sales.iter().enumerate() {
            after.cell(day as u32 % SHARDS, 1, day as i32, *won, *lost);
        }
        after.rollup.re_emit();
        assert_eq!(after.told(), [], "nothing is judged before the watermark is known");
        after.close(closed);
        after
    };
    // The segment that is gone is watched no longer.
    let watched = |part: &Part| {
        let mut out = part.standing();
        out.retain(|alert| alert["end"] != "unwatched");
        out
    };
    assert_eq!(watched(&restore(&config_now, QUIET + FALLEN)), standing);
    // One whose watermark is behind knows less, and takes nothing back; it says nothing older
    // either, be it before the alert fired or between then and now.
    let told = Part::new(&config_now, &topic).standing();
    for closed in 50..QUIET + FALLEN {
        let mut behind = restore(&config_now, closed);
        assert_eq!(behind.standing(), told, "{closed}");
        behind.close(QUIET + FALLEN);
        assert_eq!(watched(&behind), standing, "{closed}");
    }
    let mut off = config_now.clone();
    off.drift.clear();
    assert_eq!(restore(&off, QUIET + FALLEN - 1).standing(), told);
    // Nothing is watched any more: what was open is ended.
    let mut off = config_now;
    off.drift.clear();
    assert_eq!(restore(&off, QUIET + FALLEN).ends(), ["unwatched", "unwatched"]);
}

#[test]
fn what_was_over_stays_history_where_nothing_is_watched_any_more() {
    let mut config = config("");
    let mut part = Part::new(&config, &BTreeMap::new());
    let mut sales = sales(1);
    sales.extend([(5, 5); 60]);
    live(&mut part, &sales);
    part.close(sales.len() as i32);
    let standing = part.standing();
    assert_eq!((standing.len(), &standing[0]["state"]), (1, &"resolved".into()));
    config.drift.clear();
    let mut after = Part::new(&config, &part.topic);
    assert_eq!(after.close(sales.len() as i32), []);
}

#[test]
fn days_that_one_shard_lets_go_of_are_lost_to_all() {
    let mut config = config("");
    config.definition.retention.days = Some(260);
    let mut part = Part::new(&config, &BTreeMap::new());
    live(&mut part, &sales(1));
    let state = |part: &Part| part.rollup.readings()[0].1.state;
    assert_eq!(state(&part), State::Firing);
    // One is half a year ahead of the other, and keeps the last 260 days by its own time.
    part.beat(1, QUIET + FALLEN + 180, Vec::new());
    part.beat(0, QUIET + FALLEN + 1, Vec::new());
    part.rollup.tick(part.early_on(QUIET + FALLEN + 180));
    part.told();
    assert_eq!(state(&part), State::Lost);
}

#[test]
fn days_that_may_lack_records_start_no_alert() {
    let mut part = Part::new(&config(""), &BTreeMap::new());
    let calendar = part.definition.calendar.clone();
    let day = |day: i32| calendar.start_of(Day(first() + day));
    let doubt = Doubt { since: Some(day(QUIET)), until: day(QUIET + FALLEN) };
    for (at, (won, lost)) in sales(1).iter().enumerate() {
        part.cell(0, 1, at as i32, *won, *lost);
    }
    part.close_with(QUIET + FALLEN, vec![doubt]);
    assert_eq!(part.standing(), Vec::<Value>::new());
}

#[test]
fn a_doubt_that_ends_at_midnight_leaves_the_next_day_alone() {
    let mut part = Part::new(&config(""), &BTreeMap::new());
    for (at, (won, lost)) in sales(1)[..=QUIET as usize].iter().enumerate() {
        part.cell(0, 1, at as i32, *won, *lost);
    }
    let calendar = part.definition.calendar.clone();
    let day = |day: i32| calendar.start_of(Day(first() + day));
    let cases = |part: &Part| part.rollup.readings()[0].1.now.n;
    part.close(QUIET + 1);
    let all = cases(&part);
    let until = day(QUIET);
    part.close_with(QUIET + 1, vec![Doubt { since: Some(day(QUIET - 1)), until }]);
    assert_eq!(cases(&part), all - 10);
    let until = Timestamp(until.0 + 1);
    part.close_with(QUIET + 1, vec![Doubt { since: Some(day(QUIET - 1)), until }]);
    assert_eq!(cases(&part), all - 20, "a moment of it is enough");
}

#[test]
fn a_stated_first_day_begins_anew() {
    let later = config("baseline_from = \"2026-04-01\"");
    let mut part = Part::new(&later, &BTreeMap::new());
    live(&mut part, &sales(1));
    assert_eq!(part.standing(), Vec::<Value>::new(), "its baseline has not ended");
    let told = |from: &str, seen: &BTreeMap<String, String>| {
        let mut part = Part::new(&config(&format!("baseline_from = \"{from}\"")), seen);
        live(&mut part, &sales(1));
        part.close(QUIET + FALLEN);
        assert_eq!(part.told(), [], "nothing is said twice");
        part
    };
    // Moved to a later day, and to an earlier one.
    let (first, second) = ("2026-01-12", "2026-01-13");
    for (before, after) in [(first, second), (second, first)] {
        let before = told(before, &BTreeMap::new());
        assert_eq!(before.ends(), ["open"]);
        let mut ends = told(after, &before.topic).ends();
        ends.sort();
        assert_eq!(ends, ["open", "rebaselined"]);
    }
}

/// Settings that undo an alert are no correction, and no other alert is taken back for them.
#[test]
fn what_other_settings_undo_is_told_as_what_it_is() {
    let sales = sales(1);
    let told = |extra: &str, seen: &BTreeMap<String, String>| {
        let mut part = Part::new(&config(extra), seen);
        live(&mut part, &sales);
        part.close(QUIET + FALLEN);
        assert_eq!(part.told(), [], "nothing is said twice");
        part
    };
    let stated = "baseline_from = \"2026-01-12\"";
    for (before, after, wanted) in [
        (stated, "", &["open", "rebaselined"][..]),
        ("", "baseline = \"140d\"", &["rebaselined"]),
        ("", "min_baseline = 5000", &["rebaselined"]),
        ("", "min_n = 20", &["open"]),
    ] {
        let before = told(before, &BTreeMap::new());
        assert_eq!(before.ends(), ["open"]);
        let mut part = told(after, &before.topic);
        let mut ends = part.ends();
        ends.sort();
        assert_eq!(ends, wanted, "{after}");
        // A correction is one still, and leaves what other settings led to.
        for day in QUIET - 10..QUIET + FALLEN {
            part.cell(day as u32 % SHARDS, 2, day, 5, 5);
        }
        part.told();
        let left: Vec<&str> = wanted.iter().copied().filter(|end| *end != "open").collect();
        assert_eq!(part.ends(), left, "{after}");
    }
}

#[test]
fn an_owner_that_is_behind_takes_no_cohorts_back() {
    let config = Config::from_toml(
        &format!(
            "[topology]\nshards = {SHARDS}\npartitions = 1\n[segments]\nsets = [\"overall\"]\n\
             [drift]\nkpis = [\"cohort_conversion_90d\"]\n"
        ),
        "test",
        std::iter::empty(),
    )
    .unwrap_or_else(|e| panic!("{e}"));
    let sales = sales(1);
    let whole = |seen: &BTreeMap<String, String>| {
        let mut part = Part::new(&config, seen);
        sales.iter().enumerate().for_each(|(day, (won, _))| part.cohort(day as i32, *won));
        part
    };
    let of_age = QUIET + FALLEN + 90;
    let mut before = whole(&BTreeMap::new());
    before.close(of_age);
    let standing = before.standing();
    assert_eq!(standing.len(), 1, "{standing:#?}");
    // Its last look is 90 days before the days that it was judged with.
    for closed in [of_age - 1, of_age - 20, of_age - 45, of_age - 85] {
        let mut behind = whole(&before.topic);
        behind.close(closed);
        assert_eq!(behind.standing(), standing, "{closed}");
    }
}

#[test]
fn a_repair_says_again_what_was_taken_back() {
    let config = config("");
    let mut part = Part::new(&config, &BTreeMap::new());
    live(&mut part, &sales(1));
    let firing = part.topic.clone();
    for day in QUIET - 10..QUIET + FALLEN {
        part.cell(day as u32 % SHARDS, 2, day, 5, 5);
    }
    part.told();
    let withdrawn = part.topic.clone();
    assert_ne!(withdrawn, firing);
    // A late word of the owner before wins the compaction.
    part.topic = firing;
    part.rollup.re_emit();
    let due = part.told();
    assert_eq!(due.iter().map(|alert| alert.state).collect::<Vec<_>>(), ["resolved"]);
    assert_eq!(part.standing(), Vec::<Value>::new());
    assert_eq!(part.told(), [], "once");
}

#[test]
fn behind_the_retention_of_its_baseline_nothing_is_said() {
    let mut config = config("");
    config.definition.retention.days = Some(260);
    let mut part = Part::new(&config, &BTreeMap::new());
    live(&mut part, &sales(1));
    let standing = part.standing();
    assert_eq!(standing.len(), 1);
    for day in QUIET + FALLEN..300 {
        part.cell(0, 1, day, 2, 8);
        part.close(day + 1);
        if day == 170 {
            assert_eq!(part.rollup.readings()[0].1.state, State::Firing);
        }
        let slice = Slice { tier: Tier::Day, index: first() + day - 260 };
        for shard in 0..SHARDS {
            part.rollup.forget(Offset(part.offset), &cell_key(shard, &Segment::overall(), slice));
        }
    }
    assert_eq!(part.rollup.readings()[0].1.state, State::Lost);
    let [alert] = &part.standing()[..] else { panic!("{:#?}", part.standing()) };
    assert_eq!((&alert["id"], &alert["state"]), (&standing[0]["id"], &"firing".into()));
    // A newer one begins anew, and ends what stood.
    let mut anew = config;
    anew.drift[0].baseline_from = Some(Day(first() + 200));
    let mut after = Part::new(&anew, &part.topic);
    (130..300).for_each(|day| after.cell(0, 1, day, 2, 8));
    after.close(300);
    assert_eq!(after.ends(), ["rebaselined"]);
    assert_eq!(after.rollup.readings()[0].1.state, State::Inactive);
}

/// The same deals, in the business and in its one territory, whose days end nine hours earlier.
#[test]
fn days_of_a_segment_are_judged_and_told_by_its_own_zone() {
    let text = format!(
        "[topology]\nshards = {SHARDS}\npartitions = 1\n\
         [segments]\nsets = [\"overall\", \"territory\"]\n\
         [directory.zones.territory]\nJapan = \"Asia/Tokyo\"\n\
         [drift]\nkpis = [\"win_rate\"]\nsegments = [\"overall\", \"territory\"]\n"
    );
    let config = Config::from_toml(&text, "test", std::iter::empty()).unwrap();
    let japan = Segment::of([("territory", "Japan")]);
    let (job, tokyo) = (&config.definition.calendar, config.definition.calendar_of(&japan));
    let mut part = Part::new(&config, &BTreeMap::new());
    let sales = sales(1);
    for (day, (won, lost)) in sales.iter().enumerate() {
        let day = day as i32;
        for segment in [Segment::overall(), japan.clone()] {
            let count = |measure, n| (MeasureKey::plain(measure), n);
            let cells = [count(Measure::DealsWon, *won), count(Measure::DealsLost, *lost)];
            let slice = Slice { tier: Tier::Day, index: first() + day };
            let measures = cells.into_iter().collect();
            let partial = Partial { shard: 0, version: 1, segment, slice, measures };
            part.offset += 1;
            part.rollup.merge(Offset(part.offset), PartialMessage::Cell(partial));
        }
        part.close(day + 1);
    }
    let standing = part.standing();
    let [whole, own] = &standing[..] else { panic!("{standing:#?}") };
    assert_eq!((&whole["segment"]["territory"], &whole["zone"]), (&Value::Null, &Value::Null));
    assert_eq!(
        (&own["segment"]["territory"], &own["zone"]),
        (&"Japan".into(), &"Asia/Tokyo".into())
    );
    for at in ["since", "change_time", "baseline_from", "as_of"] {
        let instant =
            |alert: &Value| Timestamp::parse_rfc3339(alert[at].as_str().unwrap()).unwrap();
        let day = job.day_of(instant(whole));
        assert_eq!(instant(whole), job.start_of(day), "{at}");
        assert_eq!(instant(own), tokyo.start_of(day), "{at}");
    }
    assert_eq!(whole["explained"], serde_json::json!([]), "its days are not those of its part");

    // One more day is over in Tokyo first.
    let judged = |part: &Part, alert: &Value| {
        let id = alert["id"].as_str().unwrap();
        let told: Value = serde_json::from_str(&part.topic[id]).unwrap();
        told["judged_to"].as_str().unwrap().to_owned()
    };
    let last = QUIET + FALLEN;
    part.rollup.re_emit();
    part.close_at(Timestamp(tokyo.start_of(Day(first() + last + 1)).0 + 1));
    assert_eq!(judged(&part, own), tokyo.start_of(Day(first() + last + 1)).to_string());
    assert_eq!(judged(&part, whole), job.start_of(Day(first() + last)).to_string());
}

//! Drift of segments that have relatives: why one moved, and what its siblings say of it; the same on
//! however many partitions they lie and in whatever order their days come.

use proptest::prelude::*;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;
use tidemark::config::Config;
use tidemark::model::kin::Kin;
use tidemark::model::measure::{Measure, MeasureKey, Measures};
use tidemark::model::partial::{Partial, PartialMessage, ShardBeat, copy_key, version};
use tidemark::model::record::{Offset, Partition};
use tidemark::model::segment::Segment;
use tidemark::model::slice::{Slice, Tier};
use tidemark::rollup::Merged;

use fleet::*;

#[path = "support/fleet.rs"]
mod fleet;
#[path = "drift_family/sources.rs"]
mod sources;

#[test]
fn the_territory_that_fell_is_named_first() {
    for partitions in [1, 8] {
        let config = config(partitions, SETS, "kpis = [\"win_rate\"]");
        let fleet = told(&config, &deals(1, north_falls));
        let alert = fleet.firing("win_rate|overall|");
        let explained = alert["explained"].as_array().unwrap();
        let by: Vec<&str> = explained.iter().map(|e| e["by"].as_str().unwrap()).collect();
        assert_eq!(by[0], "territory", "{alert:#}");
        assert_eq!(by.len(), 3, "by channel and rep too: {by:?}");
        let number = |of: &Value, name: &str| of[name].as_f64().unwrap();
        for one in explained {
            let [mix, rate, change] = ["mix", "rate", "change"].map(|name| number(one, name));
            assert!((mix + rate - change).abs() < 1e-12, "{one:#}");
            let moved = number(alert, "now") - number(alert, "baseline");
            assert!((change - moved).abs() < 1e-12, "{one:#}");
            assert_eq!(one["simpson"], false);
            assert!(one["contributors"].as_array().unwrap().len() <= 3);
        }
        let north = &explained[0]["contributors"][0];
        assert_eq!(north["segment"]["territory"], "north");
        assert!(number(north, "baseline") > 0.4 && number(north, "now") < 0.25, "{north:#}");
        assert!(number(north, "effect") < 0.7 * number(&explained[0], "change"), "{alert:#}");
        assert!(north["n"].as_u64().unwrap() > 20 && north["baseline_n"].as_u64().unwrap() > 200);
        // The north itself is divided by channel.
        let north = fleet.firing("win_rate|territory=north|");
        let channels = &north["explained"][0];
        assert_eq!(channels["by"], "channel");
        let parts = channels["contributors"].as_array().unwrap();
        assert_eq!(parts.len(), 3);
        assert!(parts.iter().all(|part| part["segment"]["territory"] == "north"), "{north:#}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    /// Days come in any order and in two versions, over any number of partitions, and are judged at
    /// any moment: at the end stands what stands where they came in order on one.
    #[test]
    fn partitions_and_order_decide_nothing(
        seed in 0u64..100, shuffle in any::<u64>(), partitions in 2u32..9,
    ) {
        let drift = "kpis = [\"win_rate\", \"cycle_length_mean\", \"average_deal_size\"]\n\
                     segments = [\"overall\", \"territory\", \"rep\"]\nmin_baseline = 60";
        let facts = deals(seed, north_falls);
        let one = told(&config(1, SETS, drift), &facts);
        let mut fleet = Fleet::new(&config(partitions, SETS, drift));
        let mut dice = ChaCha8Rng::seed_from_u64(shuffle);
        let mut cells = fleet.cells(&facts, 2);
        let mut wrong: Vec<Partial> = cells.iter().filter(|_| dice.random_bool(0.1)).cloned().collect();
        for cell in &mut wrong {
            (cell.version, cell.measures) = (1, Measures::new());
            cell.measures.add(MeasureKey::plain(Measure::DealsLost), 3);
        }
        cells.extend(wrong);
        cells.shuffle(&mut dice);
        for (i, cell) in cells.iter().enumerate() {
            fleet.send(cell);
            if i % 500 == 0 {
                fleet.close(DAYS - 20 + (i * 20 / cells.len()) as i32);
            }
        }
        fleet.close(DAYS);
        prop_assert_eq!(fleet.standing(), one.standing());
        prop_assert_eq!(fleet.readings(), one.readings());
        prop_assert!(!one.standing().is_empty());
    }
}

#[test]
fn siblings_pull_the_baseline_and_say_what_to_believe() {
    let drift = "kpis = [\"win_rate\"]\nsegments = [\"rep\"]\nmin_baseline = 60\n\
                 baseline_from = \"2026-01-05\"\nfalse_alarms = \"12 per month\"";
    let falls = |day: i32, _: &str, _: &str, rep: usize| match (day >= QUIET, rep) {
        (true, 7) => 0.05,
        (_, rep) => 0.4 + 0.03 * rep as f64,
    };
    for partitions in [1, 8] {
        let fleet = told(&config(partitions, SETS, drift), &deals(2, falls));
        let alert = fleet.firing("win_rate|rep=r7|");
        assert_eq!(alert["siblings"]["streams"], 8);
        assert_eq!(alert["siblings"]["believed"], true, "{alert:#}");
        let own = &alert["baseline_interval"];
        let (low, high) = (own[0].as_f64().unwrap(), own[1].as_f64().unwrap());
        let baseline = alert["baseline"].as_f64().unwrap();
        assert!(low < baseline && baseline < high);
        // Alone it is what its own days say.
        let alone = deals(2, falls).into_iter().filter(|f| f.who[2].1 == "r7").collect::<Vec<_>>();
        let alone = told(&config(partitions, SETS, drift), &alone);
        let alone = alone.firing("win_rate|rep=r7|");
        assert_eq!(alone["siblings"], Value::Null);
        assert!((alone["baseline"].as_f64().unwrap() - baseline).abs() > 0.003, "{alone:#}");
        assert_eq!(alone["baseline_n"], alert["baseline_n"]);
    }
}

/// Ten leads of each territory a day; from a day on none come from the south.
#[test]
fn counts_and_cycles_say_who_moved_them() {
    let mut dice = ChaCha8Rng::seed_from_u64(4);
    let mut facts = Vec::new();
    for day in 0..DAYS {
        for (i, territory) in ["east", "north", "south", "west"].into_iter().enumerate() {
            let who = [
                ("territory", territory.to_owned()),
                ("channel", "web".to_owned()),
                ("rep", format!("r{i}")),
            ];
            let leads = if day >= QUIET && i == 2 { 0 } else { 9 + dice.random_range(0..3) };
            let key = MeasureKey::plain(Measure::LeadsCreated);
            facts.push(Fact { day, who: who.clone(), key, n: leads });
            for _ in 0..3 {
                let slow = if day >= QUIET && i == 1 { 7 } else { 1 };
                let key = MeasureKey::days(Measure::CycleWon, slow * dice.random_range(10..60));
                facts.push(Fact { day, who: who.clone(), key, n: 1 });
            }
        }
    }
    let config = config(8, SETS, "kpis = [\"leads_created\", \"cycle_length_mean\"]");
    let fleet = told(&config, &facts);
    let leads = &fleet.firing("leads_created|overall|")["explained"][0];
    let south = &leads["contributors"][0];
    assert!(leads["mix"].is_null() && leads["rate"].is_null(), "{leads:#}");
    // By territory or by rep, who are the same here: the names of dimensions decide.
    assert_eq!((&leads["by"], &south["segment"]["rep"]), (&"rep".into(), &"r2".into()));
    assert_eq!((south["now"].as_f64(), south["n"].as_u64()), (Some(0.0), Some(0)));
    let cycles = fleet.firing("cycle_length_mean|overall|");
    let number = |of: &Value, name: &str| of[name].as_f64().unwrap();
    let why = &cycles["explained"][0];
    assert_eq!(why["contributors"][0]["segment"]["rep"], "r1");
    let moved = number(cycles, "now") - number(cycles, "baseline");
    assert!((number(why, "change") - moved).abs() < 1e-9, "{cycles:#}");
    assert!((number(why, "mix") + number(why, "rate") - number(why, "change")).abs() < 1e-12);
}

/// Deals come to half of what they were, but for those of the east; one in forty is of fifty millions.
#[test]
fn smaller_deals_say_whose_they_are() {
    let mut dice = ChaCha8Rng::seed_from_u64(5);
    let mut facts = Vec::new();
    for day in 0..DAYS {
        for territory in ["east", "north", "south", "west"] {
            let who = [
                ("territory", territory.to_owned()),
                ("channel", ["web", "event"][day as usize % 2].to_owned()),
                ("rep", format!("r{}", dice.random_range(0..8))),
            ];
            for _ in 0..4 {
                let half = if day >= QUIET && territory != "east" { 2 } else { 1 };
                let euros = match dice.random_range(0..40) {
                    0 => 50_000_000,
                    _ => dice.random_range(6_000..18_000) / half,
                };
                facts.push(Fact { day, who: who.clone(), key: sized(euros), n: 1 });
            }
        }
    }
    let number = |of: &Value, name: &str| of[name].as_f64().unwrap();
    for partitions in [1, 8] {
        let config = config(partitions, SETS, "kpis = [\"average_deal_size\"]");
        let fleet = told(&config, &facts);
        let north = fleet.firing("average_deal_size|territory=north|");
        assert_eq!((&north["unit"], &north["direction"]), (&"EUR".into(), &"down".into()));
        assert!((9_000.0..13_000.0).contains(&number(north, "baseline")), "{north:#}");
        assert!((4_500.0..8_000.0).contains(&number(north, "now")), "{north:#}");
        let overall = fleet.firing("average_deal_size|overall|");
        let why = &overall["explained"][0];
        assert_eq!(why["by"], "territory", "{overall:#}");
        let named = why["contributors"].as_array().unwrap();
        assert!(named.iter().all(|who| who["segment"]["territory"] != "east"), "{why:#}");
        assert!((number(why, "mix") + number(why, "rate") - number(why, "change")).abs() < 1e-9);
        let moved = number(overall, "now") - number(overall, "baseline");
        assert!((number(why, "change") - moved).abs() < 1e-6, "{overall:#}");
        let east = |id: &String| id.starts_with("average_deal_size|territory=east|");
        assert!(!fleet.topic.keys().any(east), "{:#?}", fleet.topic);
    }
}

#[test]
fn while_a_shard_runs_with_other_rules_nothing_is_judged() {
    let config = config(8, SETS, "kpis = [\"win_rate\"]");
    let mut fleet = Fleet::new(&config);
    for cell in fleet.cells(&deals(1, north_falls), 1) {
        fleet.send(&cell);
    }
    fleet.beat(DAYS, Kin::default().judging());
    fleet.decide();
    assert_eq!(fleet.standing(), Vec::<Value>::new());
    fleet.close(DAYS);
    assert!(!fleet.standing().is_empty());
}

#[test]
fn a_part_that_is_behind_explains_nothing_until_it_comes() {
    let config = config(8, SETS, "kpis = [\"win_rate\"]\nsegments = [\"overall\"]");
    let mut fleet = Fleet::new(&config);
    let (late, here): (Vec<Partial>, Vec<Partial>) =
        fleet.cells(&deals(1, north_falls), 1).into_iter().partition(|cell| {
            cell.segment == Segment::of([("territory", "west")])
                && cell.slice.index == first() + DAYS - 1
        });
    here.iter().for_each(|cell| fleet.send(cell));
    fleet.close(DAYS);
    let by = |fleet: &Fleet| {
        let alert = fleet.firing("win_rate|overall|");
        let list = alert["explained"].as_array().unwrap();
        list.iter().map(|e| e["by"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(by(&fleet).iter().filter(|by| *by == "territory").count(), 0);
    late.iter().for_each(|cell| fleet.send(cell));
    fleet.decide();
    assert_eq!(by(&fleet)[0], "territory");
}

#[test]
fn copies_are_let_go_of_and_begin_anew_with_their_shard() {
    let config = config(8, SETS, "kpis = [\"win_rate\"]\nsegments = [\"overall\", \"territory\"]");
    let mut fleet = Fleet::new(&config);
    let cells = fleet.cells(&deals(1, north_falls), 1);
    cells.iter().for_each(|cell| fleet.send(cell));
    fleet.close(DAYS);
    let whole = fleet.readings();
    // The shards count anew, and publish nothing of the west this time.
    let west = Segment::of([("territory", "west")]);
    for shard in 0..SHARDS {
        let anew = ShardBeat {
            shard,
            shards: SHARDS,
            version: version(1, Offset(1)),
            watermark: None,
            holder: None,
            doubts: Vec::new(),
            fine_floor: i32::MIN,
            definition: fleet.definition.hash(),
            kin: fleet.kin.judging(),
            alive: None,
        };
        for p in 0..8 {
            fleet.merge(Partition(p), PartialMessage::Beat(anew.clone()));
        }
    }
    for mut cell in cells.into_iter().filter(|cell| cell.segment != west) {
        cell.version = version(1, Offset(2));
        fleet.send(&cell);
    }
    fleet.decide();
    let anew = fleet.readings();
    let of = |territory: &str| (format!("territory={territory}"), "win_rate".to_owned());
    assert_eq!(anew[&of("north")], whole[&of("north")]);
    assert!(anew[&of("west")].contains("NoData") && !whole[&of("west")].contains("NoData"));
    // What is out of retention is forgotten, copies too.
    let home = fleet.kin.home(&west);
    let copied = ["east", "north", "south"].map(|t| Segment::of([("territory", t)]));
    let copied = copied.iter().find(|segment| segment.partition(8) != home).unwrap();
    // What a stale owner sends late counts for nothing, also of days that nobody told of.
    let (shard, version, segment) = (0, version(0, Offset(9)), copied.clone());
    let slice = Slice { tier: Tier::Day, index: first() - 9 };
    let measures = [(MeasureKey::plain(Measure::DealsLost), 9)].into_iter().collect();
    let stale = Partial { shard, version, segment, slice, measures };
    assert_eq!(fleet.merge(home, PartialMessage::Copy(stale)), Merged::Stale);
    let slice = Slice { tier: Tier::Day, index: first() };
    let rollup = &mut fleet.rollups[home.0 as usize];
    let before = rollup.sizes().1;
    for shard in 0..SHARDS {
        rollup.forget(Offset(fleet.offset), &copy_key(shard, copied, slice));
    }
    assert_eq!(rollup.sizes().1, before - 1);
}

#[test]
fn of_a_member_that_is_known_in_advance_there_is_no_data() {
    let text = "[topology]\nshards = 2\npartitions = 8\n[segments]\nsets = [\"overall\", \
                \"territory\"]\n[directory.members]\nterritory = [\"north\"]\n";
    let config = Config::from_toml(text, "test", std::iter::empty()).unwrap();
    let mut fleet = Fleet::new(&config);
    fleet.close(DAYS);
    let north = ("territory=north".to_owned(), "win_rate".to_owned());
    assert!(fleet.readings()[&north].contains("NoData"));
}

fn lead(day: i32, territory: &str, measure: Measure, n: i128) -> Fact {
    let other = |dimension, value: &str| (dimension, value.to_owned());
    let who = [other("territory", territory), other("channel", "web"), other("rep", "r0")];
    Fact { day, who, key: MeasureKey::plain(measure), n }
}

#[test]
fn the_tenth_closing_takes_no_baseline_of_leads_away() {
    let leads = |day| lead(day, "north", Measure::LeadsCreated, if day < QUIET { 9 } else { 2 });
    let facts: Vec<Fact> = (0..DAYS).map(leads).collect();
    let config = config(8, SETS, "kpis = [\"leads_created\"]\nsegments = [\"territory\"]");
    let mut fleet = told(&config, &facts);
    let before = fleet.firing("leads_created|territory=north|").clone();
    let mut more = facts;
    more.push(lead(DAYS - 1, "north", Measure::DealsLost, 10));
    fleet.cells(&more, 2).iter().for_each(|cell| fleet.send(cell));
    fleet.decide();
    assert_eq!(fleet.firing("leads_created|territory=north|"), &before);
    assert_eq!(fleet.standing(), [before]);
}

#[test]
fn a_sibling_whose_baseline_comes_later_changes_nothing_of_an_alert() {
    let falls = |day: i32, _: &str, _: &str, rep: usize| match (day >= 60, rep) {
        (true, 7) => 0.05,
        (_, rep) => 0.4 + 0.03 * rep as f64,
    };
    // One of them has few deals, so its baseline is four times as long.
    let (few, rest): (Vec<Fact>, Vec<Fact>) =
        deals(2, falls).into_iter().partition(|fact| fact.who[2].1 == "r0");
    let few: Vec<Fact> = few.into_iter().filter(|fact| fact.day % 4 == 0).collect();
    for stated in ["baseline_from = \"2026-01-05\"", ""] {
        let drift = format!(
            "kpis = [\"win_rate\"]\nsegments = [\"rep\"]\nmin_baseline = 40\n\
             baseline = \"28d\"\nfalse_alarms = \"12 per month\"\n{stated}"
        );
        let mut fleet = told(&config(8, SETS, &drift), &rest);
        let numbers = |fleet: &Fleet| {
            let mut alert = fleet.firing("win_rate|rep=r7|").clone();
            assert!(alert["baseline_to"].as_str() <= Some("2026-03-02T00:00:00Z"), "{alert:#}");
            alert.as_object_mut().unwrap().remove("siblings");
            alert
        };
        let before = numbers(&fleet);
        fleet.cells(&few, 1).iter().for_each(|cell| fleet.send(cell));
        fleet.decide();
        let late = &fleet.readings()[&("rep=r0".to_owned(), "win_rate".to_owned())];
        assert!(late.contains("baseline: Some"), "{late}");
        assert_eq!(numbers(&fleet), before);
    }
}

#[test]
fn what_is_over_and_what_has_too_many_members_is_not_explained() {
    let sets = "[\"overall\", \"territory\", \"account\"]";
    let config = config(8, sets, "kpis = [\"win_rate\"]\nsegments = [\"overall\"]");
    // Of one account each; the fall is over after six days.
    let falls = |day: i32, _: &str, _: &str, _: usize| {
        if (QUIET..QUIET + 6).contains(&day) { 0.1 } else { 0.5 }
    };
    let mut facts = deals(1, falls);
    facts.iter_mut().enumerate().for_each(|(i, fact)| fact.who[1] = ("account", format!("a{i}")));
    let mut fleet = Fleet::new(&config);
    fleet.cells(&facts, 1).iter().for_each(|cell| fleet.send(cell));
    let account = Segment::of([("account", "a1")]);
    assert_eq!(fleet.kin.wanted_at(&account), []);
    fleet.close(QUIET + 6);
    let by = |alert: &Value| {
        let list = alert["explained"].as_array().unwrap();
        list.iter().map(|e| e["by"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(by(fleet.firing("win_rate|overall|")), ["territory"]);
    fleet.close(DAYS);
    let over = fleet.standing();
    assert!(over.iter().all(|alert| alert["state"] == "resolved"), "{over:#?}");
    assert!(over.iter().all(|alert| by(alert).is_empty()), "{over:#?}");
}

#[test]
fn a_copy_that_nobody_wants_here_is_dropped() {
    let config = config(8, SETS, "kpis = [\"win_rate\"]");
    let mut fleet = Fleet::new(&config);
    let cell = fleet.cells(&[lead(1, "north", Measure::DealsWon, 1)], 1);
    let north = Segment::of([("territory", "north")]);
    let north = cell.iter().find(|cell| cell.segment == north).unwrap();
    let home = fleet.kin.home(&north.segment);
    for p in (0..8).map(Partition) {
        let said = fleet.merge(p, PartialMessage::Copy(north.clone()));
        assert_eq!(said == Merged::New, p == home, "{p:?}");
    }
}

#[test]
fn a_member_without_a_baseline_is_none_of_the_streams() {
    let config = config(8, SETS, "kpis = [\"win_rate\"]\nsegments = [\"territory\"]");
    let mut facts = deals(1, north_falls);
    facts.retain(|fact| fact.who[0].1 != "west" || fact.day > DAYS - 10);
    let mut fleet = told(&config, &facts);
    let streams =
        |fleet: &Fleet| fleet.firing("win_rate|territory=north|")["siblings"]["streams"].clone();
    assert_eq!(streams(&fleet), 3);
    // It comes late, and the alert of another one is told anew for it.
    let whole = fleet.cells(&deals(1, north_falls), 2);
    let west = Segment::of([("territory", "west")]);
    whole.iter().filter(|cell| cell.segment == west).for_each(|cell| fleet.send(cell));
    fleet.decide();
    assert_eq!(streams(&fleet), 4);
}

#[test]
fn a_correction_of_one_moves_what_is_expected_of_its_siblings() {
    let drift = "kpis = [\"win_rate\"]\nsegments = [\"rep\"]\nmin_baseline = 60\n\
                 baseline_from = \"2026-01-05\"\nfalse_alarms = \"12 per month\"";
    let rates = |_: i32, _: &str, _: &str, rep: usize| 0.4 + 0.03 * rep as f64;
    let config = config(8, SETS, drift);
    let facts = deals(2, rates);
    let mut fleet = told(&config, &facts);
    let before = fleet.readings();
    // Half of what one won in its baseline was lost.
    let mut corrected = facts;
    let won = MeasureKey::plain(Measure::DealsWon);
    let wrong = |fact: &&mut Fact| fact.who[2].1 == "r0" && fact.day < 40 && fact.key == won;
    corrected.iter_mut().filter(wrong).for_each(|f| f.key = MeasureKey::plain(Measure::DealsLost));
    let anew = told(&config, &corrected).readings();
    let r0 = Segment::of([("rep", "r0")]);
    let cells = fleet.cells(&corrected, 2);
    cells.iter().filter(|cell| cell.segment == r0).for_each(|cell| fleet.send(cell));
    fleet.decide();
    assert_eq!(fleet.readings(), anew);
    let of = |rep: &str| (format!("rep={rep}"), "win_rate".to_owned());
    assert_ne!(
        before[&of("r5")],
        anew[&of("r5")],
        "it is looked at again though no day of it changed"
    );
}

#[test]
fn of_what_is_over_no_siblings_are_told() {
    let falls = |day: i32, territory: &str, _: &str, _: usize| {
        if territory == "north" && (QUIET - 10..QUIET).contains(&day) { 0.05 } else { 0.5 }
    };
    let config = config(8, SETS, "kpis = [\"win_rate\"]\nsegments = [\"territory\"]");
    let mut fleet = Fleet::new(&config);
    fleet.cells(&deals(1, falls), 1).iter().for_each(|cell| fleet.send(cell));
    fleet.close(QUIET);
    let north = fleet.firing("win_rate|territory=north|").clone();
    assert_eq!(north["siblings"]["streams"], 4);
    fleet.close(DAYS);
    let over = &fleet.topic[north["id"].as_str().unwrap()];
    assert_eq!((&over["state"], &over["siblings"]), (&"resolved".into(), &Value::Null), "{over:#}");
}

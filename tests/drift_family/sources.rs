//! Drift where sources die: days on which nothing at all happened say nothing of a count.

use tidemark::config::Config;
use tidemark::model::alert::State;
use tidemark::model::alive::Alive;
use tidemark::model::measure::{Measure, MeasureKey};

use super::fleet::*;

/// Leads and deals won of one day, in the north.
fn day(day: i32, leads: i128) -> Vec<Fact> {
    let who = [("territory", "north"), ("channel", "web"), ("rep", "r0")];
    let who = who.map(|(dimension, value)| (dimension, value.to_owned()));
    let fact = |measure, n| Fact { day, who: who.clone(), key: MeasureKey::plain(measure), n };
    vec![fact(Measure::LeadsCreated, leads), fact(Measure::DealsWon, 3)]
}

fn watching() -> Config {
    let drift = "kpis = [\"leads_created\"]\nsegments = [\"overall\", \"territory\"]";
    config(8, SETS, drift)
}

/// A business of many leads, day by day, whose shards tell on which days something happened.
struct Business(Fleet);

impl Business {
    fn new() -> Business {
        let mut fleet = Fleet::new(&watching());
        fleet.alive = Some([Alive::default(), Alive::default()]);
        Business(fleet)
    }

    /// What happened on a day is told, and the days before it are closed.
    fn live(&mut self, at: i32, leads: i128) {
        self.tell(at, leads);
        self.0.close(at);
    }

    fn tell(&mut self, at: i32, leads: i128) {
        self.0.cells(&day(at, leads), 1).iter().for_each(|cell| self.0.send(cell));
    }

    fn usual(&mut self, days: std::ops::Range<i32>) {
        days.for_each(|at| self.live(at, [90, 100, 110][at as usize % 3]));
    }

    fn state(&self) -> Vec<State> {
        let readings = self.0.rollups.iter().flat_map(|rollup| rollup.readings());
        readings.map(|(_, reading)| reading.state).collect()
    }
}

#[test]
fn a_source_that_died_is_no_fall_of_what_it_told() {
    let mut business = Business::new();
    business.usual(0..QUIET);
    // It dies in the morning; the watermark of an idle source follows the clock.
    business.live(QUIET, 2);
    (QUIET + 1..QUIET + 20).for_each(|at| business.0.close(at));
    assert_eq!(business.0.standing(), Vec::<serde_json::Value>::new());
    assert_eq!(business.state(), [State::Inactive; 2]);
    // Nothing was told in four weeks.
    (QUIET + 20..QUIET + 40).for_each(|at| business.0.close(at));
    assert_eq!(business.state(), [State::NoData; 2]);
    // It goes on, and what it would have told meanwhile is gone.
    business.usual(QUIET + 40..QUIET + 60);
    assert!(business.state().iter().all(|state| *state != State::NoData));
    assert_eq!(business.0.standing(), Vec::<serde_json::Value>::new());
    // It is told late after all, and was as low: it fell, and came back.
    (QUIET..QUIET + 40).for_each(|at| business.tell(at, 40));
    business.usual(QUIET + 60..QUIET + 62);
    let standing = business.0.standing();
    assert_eq!(standing.len(), 2, "{standing:#?}");
    assert!(standing.iter().all(|a| a["fired"] == true && a["end"] == "recovered"));
}

#[test]
fn what_fires_stays_while_the_source_is_silent() {
    let mut business = Business::new();
    business.usual(0..QUIET);
    (QUIET..QUIET + 5).for_each(|at| business.live(at, 40));
    let alert = business.0.firing("leads_created|overall|").clone();
    (QUIET + 5..QUIET + 25).for_each(|at| business.0.close(at));
    assert_eq!(business.0.firing("leads_created|overall|"), &alert);
}

#[test]
fn leads_that_stop_while_deals_go_on_are_a_fall() {
    let mut business = Business::new();
    business.usual(0..QUIET);
    (QUIET..QUIET + 5).for_each(|at| business.live(at, 0));
    business.0.firing("leads_created|territory=north|");
}

/// Of a shard that does not tell, something may have happened on every day.
#[test]
fn while_not_every_shard_tells_all_days_count() {
    let mut business = Business::new();
    business.0.alive = None;
    business.usual(0..QUIET);
    (QUIET..QUIET + 5).for_each(|at| business.0.close(at));
    business.0.firing("leads_created|overall|");
}

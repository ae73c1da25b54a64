//! The drift series on `/metrics`.

use tidemark::config::Config;
use tidemark::http::metrics::{Caps, KpiPage, KpiSnapshot};
use tidemark::model::alert::{BaselineShown, Figure, Reading, Signal, Silence, State};
use tidemark::model::calendar::Calendar;
use tidemark::model::segment::Segment;
use tidemark::model::time::Day;

/// Who is who.
pub fn directory() -> KpiPage {
    let text = "[directory]\n[[directory.rep]]\nid = \"r-1\"\nname = 'Ana \"C\"'\nteam = \"mid\"\n";
    let config = Config::from_toml(text, "t.toml", std::iter::empty()).unwrap();
    let directory = &config.definition.directory;
    KpiPage::of_directory(directory, Day(20_000), Caps { per_family: 9, ..Caps::NONE })
}

pub fn page() -> KpiPage {
    let figure = |value| Figure { value: Some(value), n: 40, interval: Some((value - 1.0, 12.5)) };
    let baseline = BaselineShown { from: Day(20_000), to: Day(20_084), figure: figure(7.0) };
    let firing = Reading {
        signal: Signal::CycleLength,
        state: State::Firing,
        score: 1.25,
        now: figure(10.0),
        baseline: Some(baseline),
        arl0: Some(5000.0),
        effect: Some(-0.425),
        silence: None,
    };
    let nothing = Reading {
        signal: Signal::WinRate,
        state: State::NoData,
        score: 0.0,
        now: Figure::default(),
        baseline: None,
        arl0: None,
        effect: None,
        silence: Some(Silence::Supply),
    };
    let reps = ["O\"Brien", "r-2"].map(|rep| Segment::of([("rep", rep)]));
    let all = Segment::overall();
    let one = Caps { per_family: 1, ..Caps::NONE };
    let mut page = KpiSnapshot::render(&[], &tidemark::model::kpi::Kpis::ALL, one);
    let readings = [(&reps[0], &firing), (&reps[1], &firing), (&all, &nothing)];
    let zones = ["America/New_York", "Asia/Tokyo"].map(|zone| Calendar::of(zone).unwrap());
    page.add_readings(&readings, one, |segment, day| {
        zones[usize::from(segment.parts.is_empty())].start_of(day)
    });
    // 2024-12-27, which began there five hours later than in UTC.
    assert!(page.text().contains("kpi=\"cycle_length_mean\"} 1735275600\n"), "{}", page.text());
    assert!(page.dropped().any(|d| d == ("tidemark_rep_drift_score", 1)));
    page
}

/// A stream with a baseline is in so many families, and `validate` reckons with as many.
#[test]
fn the_estimate_reckons_with_every_family_of_drift() {
    let shown = page().text();
    let families =
        shown.lines().filter(|line| line.starts_with("# TYPE tidemark_rep_drift_")).count();
    let text = "[segments]\nsets = [\"overall\"]\n[drift]\nkpis = [\"win_rate\"]\n";
    let config = Config::from_toml(text, "one.toml", std::iter::empty()).unwrap();
    assert_eq!(config.estimate().drift, families as u64, "{shown}");
}

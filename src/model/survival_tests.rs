use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

/// A deal: created on a day; closed at an age, won or not.
#[derive(Clone, Copy, Debug)]
struct Deal {
    day: i32,
    closed: Option<(i32, bool)>,
}

fn cohort(deals: &[Deal]) -> Measures {
    let key = |deal: &Deal| match deal.closed {
        Some((age, true)) => MeasureKey::days(Measure::CohortWon, age),
        Some((age, false)) => MeasureKey::days(Measure::CohortLost, age),
        None => MeasureKey::day(Measure::CohortOpen, Day(deal.day)),
    };
    deals.iter().map(|deal| (key(deal), 1)).collect()
}

fn followed(flow: &Measures, until: i32) -> Followed<'_> {
    Followed { flow, until: Some(Day(until)) }
}

fn value(kpi: &KpiValue) -> Option<f64> {
    kpi.value.map(Number::to_f64)
}

/// Ages at which deals were won, lost, and last seen open; the last day is 1000.
fn of(won: &[i32], lost: &[i32], open: &[i32]) -> Measures {
    let closed = |ages: &[i32], won| -> Vec<Deal> {
        ages.iter().map(|age| Deal { day: 0, closed: Some((*age, won)) }).collect()
    };
    let open = open.iter().map(|age| Deal { day: 1000 - age, closed: None });
    cohort(&[closed(won, true), closed(lost, false), open.collect()].concat())
}

#[test]
fn a_cohort_of_ten_by_hand() {
    // At risk 10 at age 10, 8 at 20, 7 at 40, 5 at 50, 3 at 70.
    let flow = of(&[10, 20, 50], &[10, 40, 70], &[40, 50, 100, 200]);
    let at = |horizon| followed(&flow, 1000).incidence(horizon);
    // 1/10, then 8/10 still open, of which 1/8: two tenths.
    assert_eq!((value(&at(30)), at(30).n), (Some(0.2), 10));
    // At 40 one of 7 is lost and one censored, at 50 one of 5 is won: 7/10 × 6/7 × 1/5 more.
    let want = 0.2 + 0.7 * (6.0 / 7.0) / 5.0;
    assert!((value(&at(60)).unwrap() - want).abs() < 1e-15, "{:?}", at(60));
    assert_eq!((at(60).n, at(90).n, at(180).n), (8, 8, 7));
    assert_eq!((value(&at(90)), value(&at(180))), (value(&at(60)), value(&at(60))));
    assert_eq!(value(&at(201)), None, "nobody was followed for so long");
    // Open: 8/10, 7/10, 6/10, then 4/5 of that is 0.48.
    assert_eq!(value(&followed(&flow, 1000).closing_age()), Some(50.0));
    assert_eq!(followed(&flow, 1000).closing_age().n, 10);
}

/// Freireich's remissions under 6-MP (Gehan 1965), as textbooks on survival have them.
#[test]
fn kaplan_and_meiers_textbook_example() {
    let (closed, open) =
        ([6, 6, 6, 7, 10, 13, 16, 22, 23], [6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35]);
    let flow = of(&closed, &[], &open);
    let table = [(6, 0.8571), (7, 0.8067), (10, 0.7529), (13, 0.6902), (16, 0.6275), (22, 0.5378)];
    for (age, open) in table.into_iter().chain([(23, 0.4482)]) {
        let won = value(&followed(&flow, 1000).incidence(age)).unwrap();
        assert!((1.0 - won - open).abs() < 5e-5, "{age}: {won}");
    }
    assert_eq!(value(&followed(&flow, 1000).closing_age()), Some(23.0));
    // Greenwood's standard error at 10 weeks is 0.0963: as many deals as would have it.
    let p: f64 = 0.7529;
    let n = p * (1.0 - p) / 0.0963f64.powi(2);
    let [low, high] = followed(&flow, 1000).incidence(10).interval.unwrap();
    let z = 1.96;
    let half = z * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt() / (1.0 + z * z / n);
    assert!(((high - low) / 2.0 - half).abs() < 1e-3, "{low} {high} {half}");
}

#[test]
fn a_median_is_where_more_than_half_are_closed() {
    let age = |won: &[i32], lost: &[i32], open: &[i32]| {
        value(&followed(&of(won, lost, open), 1000).closing_age())
    };
    assert_eq!(age(&[3], &[], &[9]), None);
    assert_eq!(age(&[3, 5], &[7], &[9]), Some(7.0));
    assert_eq!(age(&[3, 3], &[], &[9]), Some(3.0));
    // Exactly half behind 2/3 × 3/4, though floats say otherwise.
    assert_eq!(age(&[2, 5], &[2, 8], &[2, 9, 9]), Some(8.0));
    assert_eq!(age(&[], &[], &[]), None);
}

#[test]
fn without_a_watermark_nothing_is_known() {
    let flow = of(&[3], &[5], &[9]);
    let unknown = Followed { flow: &flow, until: None };
    assert_eq!(unknown.incidence(30), KpiValue::default());
    assert_eq!(unknown.closing_age(), KpiValue::default());
}

fn deals(open: bool) -> impl Strategy<Value = Vec<Deal>> {
    let age = prop_oneof![8 => 0..60i32, 1 => -3..0i32, 1 => 60..220i32];
    let closed = (age, any::<bool>()).prop_map(Some);
    let closed = if open { prop_oneof![closed, Just(None)].boxed() } else { closed.boxed() };
    let deal = (0..90i32, closed).prop_map(|(day, closed)| Deal { day, closed });
    proptest::collection::vec(deal, 1..60)
}

proptest! {
    /// What is closed, and what is old enough, is a plain share: W4.
    #[test]
    fn without_censoring_it_is_the_share(deals in deals(false), old in deals(true)) {
        for (deals, until) in [(&deals, 0), (&old, 1000)] {
            let flow = cohort(deals);
            for horizon in HORIZONS {
                let won = deals.iter().filter(|d| matches!(d.closed, Some((a, true)) if a <= horizon));
                let (won, n) = (won.count() as f64, deals.len() as f64);
                let got = followed(&flow, until).incidence(horizon);
                prop_assert_eq!((value(&got), got.n), (Some(won / n), deals.len() as i128));
                let p = won / n;
                let mut curve = Curve::of(&flow);
                let ages = steps(&flow, Day(until)).take_while(|s| s.age <= horizon);
                ages.for_each(|s| curve.close(s));
                prop_assert!((curve.variance.of(p) - p * (1.0 - p) / n).abs() < 1e-12);
            }
        }
    }

    /// Each deal by itself, in any order and over any shards, and age by age with no short cut.
    #[test]
    fn it_is_the_product_over_ages(
        deals in deals(true), until in 60..200i32, shards in 1usize..4, seed in any::<prop::sample::Index>(),
    ) {
        let whole = cohort(&deals);
        let mut turned = deals.clone();
        turned.rotate_left(seed.index(deals.len()));
        let mut merged = Measures::new();
        turned.chunks(deals.len().div_ceil(shards)).for_each(|part| merged.plus(&cohort(part)));
        prop_assert_eq!(&whole, &merged);

        let age = |d: &Deal| d.closed.map_or(until - d.day, |(age, _)| age);
        let (mut open, mut share, mut median) = (1.0f64, 0.0, None);
        let mut shares = BTreeMap::new();
        for at in -200..=250 {
            let risk = deals.iter().filter(|d| age(d) >= at).count() as f64;
            let closed = deals.iter().filter(|d| d.closed.is_some() && age(d) == at);
            let won = closed.clone().filter(|d| d.closed.is_some_and(|c| c.1)).count() as f64;
            if risk > 0.0 {
                share += open * won / risk;
                open *= 1.0 - closed.count() as f64 / risk;
            }
            if median.is_none() && open < 0.5 - 1e-9 {
                median = Some(f64::from(at));
            }
            let known = risk > 0.0 || open < 1e-9;
            shares.insert(at, known.then_some(share));
        }
        prop_assert_eq!(value(&followed(&whole, until).closing_age()), median);
        let mut last = 0.0;
        for (at, want) in shares.into_iter().filter(|(at, _)| *at >= 0) {
            let got = followed(&whole, until).incidence(at);
            prop_assert_eq!(value(&got).is_some(), want.is_some(), "{} {:?}", at, got);
            let (Some(now), Some(want)) = (value(&got), want) else { continue };
            prop_assert!((now - want).abs() < 1e-12, "{at}: {now} {want}");
            prop_assert!((last..=1.0).contains(&now), "{at}: {last} {now}");
            last = now;
            let [low, high] = got.interval.unwrap();
            prop_assert!(0.0 <= low && low <= now + 1e-12 && now <= high + 1e-12 && high <= 1.0);
        }
    }

    /// What is not said to move stays, whatever the days between.
    #[test]
    fn what_moves_is_said_to(deals in deals(true), from in 0..300i32, days in 1..3i32) {
        let flow = cohort(&deals);
        let all = |until| {
            let at = followed(&flow, until);
            let shares = HORIZONS.map(|h| at.incidence(h));
            (shares, at.closing_age())
        };
        let same = all(from) == all(from + days);
        prop_assert!(same || moves(&flow, Some(Day(from)), Day(from + days)));
        prop_assert!(!moves(&flow, Some(Day(from + 500)), Day(from + 501)));
    }
}

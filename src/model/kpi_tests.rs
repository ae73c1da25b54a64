use super::*;

fn eur() -> Currency {
    Currency::parse("EUR").unwrap()
}

fn compute(name: &str, flow: &Measures, age_days: i32) -> KpiValue {
    let stock = Measures::new();
    let view = View {
        flow,
        stock: &stock,
        opening: &stock,
        first_day: Day(0),
        before: [None; 3],
        age_days,
        followed: None,
        working_days: Some(20),
        currency: eur(),
    };
    Kpi::named(name).unwrap().compute(&view)
}

#[test]
fn a_zero_denominator_is_absent() {
    let none = Measures::new();
    for name in [
        "win_rate",
        "average_deal_size",
        "cycle_length_mean",
        "cycle_length_p50",
        "cohort_conversion",
        "revenue_growth",
        "win_rate_amount",
    ] {
        assert_eq!(compute(name, &none, 1000).value, None, "{name}");
    }
    assert_eq!(compute("deals_won", &none, 0).value, Some(Number::Exact(Exact(0))));
    assert_eq!(compute("win_rate", &none, 0).den, Some(Exact(0)));
}

#[test]
fn quantiles_interpolate_like_percentile_cont() {
    let days: Measures = [(3, 1), (10, 2), (-2, 1)]
        .map(|(d, n)| (MeasureKey::days(Measure::CycleWon, d), n))
        .into_iter()
        .collect();
    // −2, 3, 10, 10
    assert_eq!(compute("cycle_length_p50", &days, 0).value, Some(Number::Float(6.5)));
    assert_eq!(compute("cycle_length_p90", &days, 0).value, Some(Number::Float(10.0)));
    let mean = compute("cycle_length_mean", &days, 0);
    assert_eq!((mean.value, mean.squares), (Some(Number::Float(5.25)), Some(9 + 2 * 100 + 4)));
    assert_eq!(compute("cycle_length_mean", &Measures::new(), 0).squares, None);
}

#[test]
fn a_cohort_with_a_horizon_waits_until_it_is_that_old() {
    let cohort: Measures = [
        (MeasureKey::plain(Measure::DealsCreated), 4),
        (MeasureKey::days(Measure::CohortWon, 90), 1),
        (MeasureKey::days(Measure::CohortWon, 91), 1),
    ]
    .into_iter()
    .collect();
    assert_eq!(compute("cohort_conversion", &cohort, 0).value, Some(Number::Float(0.5)));
    assert_eq!(compute("cohort_conversion_90d", &cohort, 89).value, None);
    assert_eq!(compute("cohort_conversion_90d", &cohort, 90).value, Some(Number::Float(0.25)));
}

#[test]
fn leads_that_were_converted_count_by_their_age_too() {
    let leads: Measures = [
        (MeasureKey::plain(Measure::LeadsCreated), 8),
        (MeasureKey::days(Measure::LeadsConverted, 0), 1),
        (MeasureKey::days(Measure::LeadsConverted, 90), 1),
        (MeasureKey::days(Measure::LeadsConverted, 91), 2),
    ]
    .into_iter()
    .collect();
    assert_eq!(compute("leads_converted", &leads, 0).value, Some(Number::Exact(Exact::whole(4))));
    assert_eq!(compute("lead_conversion", &leads, 0).value, Some(Number::Float(0.5)));
    assert_eq!(compute("lead_conversion_90d", &leads, 89).value, None);
    let ripe = compute("lead_conversion_90d", &leads, 90);
    assert_eq!((ripe.value, ripe.n), (Some(Number::Float(0.25)), 8));
}

#[test]
fn other_currencies_are_shown_and_never_added() {
    let usd = Currency::parse("USD").unwrap();
    let won: Measures = [
        (MeasureKey::currency(Measure::WonAmount, eur()), Exact::whole(10).0),
        (MeasureKey::currency(Measure::WonAmount, usd), Exact::whole(7).0),
        (MeasureKey::currency(Measure::WonPriced, eur()), 1),
        (MeasureKey::currency(Measure::WonPriced, usd), 1),
    ]
    .into_iter()
    .collect();
    let revenue = compute("revenue", &won, 0);
    assert_eq!(revenue.value, Some(Number::Exact(Exact::whole(10))));
    assert_eq!(revenue.unconverted, [(usd, Exact::whole(7))]);
}

#[test]
fn what_nobody_counted_costs_nothing_known() {
    let plain = MeasureKey::plain;
    let mut window: Measures =
        [(plain(Measure::DealsWon), 2), (plain(Measure::AdClicks), 5 * EXACT_ONE / 2)]
            .into_iter()
            .collect();
    let cost = compute("cost_per_sale", &window, 0);
    assert_eq!((cost.value, cost.den), (None, Some(Exact::whole(2))));
    window.add(MeasureKey::currency(Measure::Spend, eur()), Exact::whole(10).0);
    window.add(MeasureKey::currency(Measure::SpendPriced, eur()), 1);
    assert_eq!(compute("cost_per_sale", &window, 0).value, Some(Number::Float(5.0)));
    assert_eq!(compute("cost_per_click", &window, 0).value, Some(Number::Float(4.0)));
    assert_eq!(compute("roi", &window, 0).value, Some(Number::Float(-1.0)));
}

#[test]
fn refunds_are_taken_off_in_their_own_currency() {
    let usd = Currency::parse("USD").unwrap();
    let orders: Measures = [
        (Measure::OrderAmount, eur(), 10),
        (Measure::OrderRefunded, eur(), 4),
        (Measure::OrderRefunded, usd, 3),
    ]
    .map(|(m, currency, n)| (MeasureKey::currency(m, currency), Exact::whole(n).0))
    .into_iter()
    .collect();
    let revenue = compute("order_revenue", &orders, 0);
    assert_eq!(revenue.value, Some(Number::Exact(Exact::whole(6))));
    assert_eq!(revenue.unconverted, [(usd, Exact::whole(-3))]);
}

/// A rollup looks at what stood at a window's start for those groups alone, or for one's own.
#[test]
fn only_subscriptions_and_customers_ask_for_the_opening() {
    let groups = [Group::Subscriptions, Group::Customers];
    let asking: Vec<_> = CATALOGUE.iter().filter(|k| k.formula.asks_for_opening()).collect();
    assert!(asking.len() > 1 && asking.iter().all(|k| groups.contains(&k.group)));
}

#[test]
fn few_things_behind_a_value_are_told() {
    let closed = |won, lost| -> Measures {
        let plain = MeasureKey::plain;
        [(plain(Measure::DealsWon), won), (plain(Measure::DealsLost), lost)].into_iter().collect()
    };
    assert!(compute("win_rate", &closed(20, 9), 0).low_n);
    assert!(!compute("win_rate", &closed(20, 10), 0).low_n);
    // Nothing is no value, and a count is never too small.
    assert!(!compute("win_rate", &Measures::new(), 0).low_n);
    assert!(!compute("deals_won", &closed(1, 0), 0).low_n);
}

#[test]
fn names_and_families_are_unique() {
    let mut names: Vec<_> = CATALOGUE.iter().flat_map(|k| [&*k.name, &*k.family]).collect();
    names.sort_unstable();
    let all = names.len();
    names.dedup();
    // A count may carry its name as its family: those are the only repetitions.
    let same = CATALOGUE.iter().filter(|k| k.name == k.family).count();
    assert_eq!(names.len(), all - same);
}

/// One deal won and one lost in a currency without a rate, and something spent.
#[test]
fn no_quotient_is_made_of_what_no_rate_converts() {
    let gbp = Currency::parse("GBP").unwrap();
    let lost_and_spent = [
        (MeasureKey::plain(Measure::DealsWon), 1),
        (MeasureKey::plain(Measure::DealsLost), 1),
        (MeasureKey::word(Measure::ActivitiesDone, 1), 4),
        (MeasureKey::currency(Measure::LostAmount, eur()), Exact::whole(5).0),
        (MeasureKey::currency(Measure::LostPriced, eur()), 1),
        (MeasureKey::currency(Measure::Spend, eur()), Exact::whole(45).0),
        (MeasureKey::currency(Measure::SpendPriced, eur()), 1),
    ];
    let won = |currency, amount| {
        [
            (MeasureKey::currency(Measure::WonAmount, currency), Exact::whole(amount).0),
            (MeasureKey::currency(Measure::WonPriced, currency), 1),
        ]
    };
    let parked: Measures = lost_and_spent.into_iter().chain(won(gbp, 100)).collect();
    let names = ["roi", "return_on_ad_spend", "win_rate_amount", "average_deal_size"];
    let names = names.into_iter().chain(["revenue_per_activity", "revenue_growth"]);
    for name in names.clone() {
        let found = compute(name, &parked, 0);
        assert_eq!(
            (found.value, &*found.unconverted),
            (None, &[(gbp, Exact::whole(100))][..]),
            "{name}"
        );
    }
    // What is known makes a quotient, with the rest beside it.
    let both: Measures = parked.entries().iter().copied().chain(won(eur(), 90)).collect();
    for (name, value) in names.zip([1.0, 2.0, 90.0 / 95.0, 90.0, 22.5]) {
        let found = compute(name, &both, 0);
        assert_eq!(found.value, Some(Number::Float(value)), "{name}");
        assert_eq!(found.unconverted, [(gbp, Exact::whole(100))], "{name}");
    }
    // Of nothing there is nothing, and that is known.
    let none: Measures = lost_and_spent.into_iter().collect();
    assert_eq!(compute("roi", &none, 0).value, Some(Number::Float(-1.0)));
    assert_eq!(compute("roi", &none, 0).unconverted, []);
}

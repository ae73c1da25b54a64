use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::model::kpi::{CATALOGUE, Compiled, Group, Number};
use crate::model::measure::{MeasureKey, Measures};
use crate::model::money::Currency;
use crate::model::time::Day;

fn eur() -> Currency {
    Currency::parse("EUR").unwrap()
}

fn program(text: &str) -> Program {
    shipped(text).unwrap_or_else(|fault| panic!("{text}: {fault:?}"))
}

fn compute(program: &Program, measures: &Measures) -> KpiValue {
    let (flow, stock) = measures.clone().split_stock();
    program.compute(&View {
        flow: &flow,
        stock: &stock,
        opening: &stock,
        first_day: Day(0),
        before: [None; 3],
        age_days: 1000,
        followed: None,
        working_days: Some(20),
        currency: eur(),
    })
}

fn of(text: &str, measures: &Measures) -> KpiValue {
    compute(&program(text), measures)
}

fn exact(n: i128) -> Option<Number> {
    Some(Number::Exact(Exact::whole(n)))
}

/// Six deals won for 600 in all, two lost, three demos and eight calls, 120 spent on two days.
fn month() -> Measures {
    let usd = Currency::parse("USD").unwrap();
    let one = Exact::whole(1).0;
    [
        (MeasureKey::plain(Measure::DealsWon), 6),
        (MeasureKey::plain(Measure::DealsLost), 2),
        (MeasureKey::currency(Measure::WonAmount, eur()), 600 * one),
        (MeasureKey::currency(Measure::WonPriced, eur()), 6),
        (MeasureKey::currency(Measure::WonAmount, usd), 50 * one),
        (MeasureKey::currency(Measure::Spend, eur()), 120 * one),
        (MeasureKey::currency(Measure::SpendPriced, eur()), 2),
        (MeasureKey::currency(Measure::Spend, usd), 20 * one),
        (MeasureKey::word(Measure::ActivitiesDone, 1), 8),
        (MeasureKey::word(Measure::ActivitiesDone, 6), 3),
        (MeasureKey::days(Measure::CycleWon, 10), 4),
        (MeasureKey::days(Measure::CycleWon, 25), 2),
        (MeasureKey::plain(Measure::OpenDeals), 12),
    ]
    .into_iter()
    .collect()
}

#[test]
fn sums_are_exact_and_keep_other_currencies_apart() {
    let net = of("won_amount - spend", &month());
    assert_eq!((net.value, net.n), (exact(480), 8));
    let usd = Currency::parse("USD").unwrap();
    assert_eq!(net.unconverted, [(usd, Exact::whole(30))]);
    assert_eq!(of("2 * (calls + demos) - deals_won", &month()).value, exact(16));
    assert_eq!(of("-spend", &month()).unconverted, [(usd, Exact::whole(-20))]);
    // A quotient holds neither part of what it is made of.
    let per_win = of("(revenue - spend) / deals_won", &month());
    assert_eq!(
        (per_win.value, per_win.unconverted),
        (Some(Number::Float(80.0)), vec![(usd, Exact::whole(70))])
    );
    assert_eq!(of("revenue / spend", &month()).unconverted, [(usd, Exact::whole(70))]);
    // Each sum once, whatever its sign.
    assert_eq!(of("(revenue - spend) / spend", &month()).unconverted, [(usd, Exact::whole(70))]);
    assert_eq!(of("-(spend / deals_won)", &month()).unconverted, [(usd, Exact::whole(20))]);
    assert_eq!(of("revenue / revenue", &month()).unconverted, [(usd, Exact::whole(50))]);
    let known = month().entries().to_vec().into_iter();
    let parked: Measures =
        known.filter(|(key, _)| *key != MeasureKey::currency(Measure::WonPriced, eur())).collect();
    let mut parked = parked;
    parked.add(MeasureKey::currency(Measure::WonPriced, usd), 1);
    for text in [
        "revenue / deals_won",
        "revenue / spend",
        "(revenue - spend) / spend",
        "revenue * win_rate",
    ] {
        assert_eq!(of(text, &parked).value, None, "{text}");
    }
    let net = of("revenue - spend", &parked);
    assert!(net.value.is_some() && net.hollow && !of("revenue - spend", &month()).hollow);
    assert!(program("won_amount - spend").is_exact());
    assert!(program("0.5 * spend").adds_up() && !program("0.5 * spend").is_exact());
    assert!(!program("deals_won + 1").adds_up());
}

#[test]
fn a_quotient_of_sums_is_divided_once_and_its_parts_travel() {
    let yielded = of("(calls + demos) / (deals_won + deals_lost)", &month());
    assert_eq!(yielded.value, Some(Number::Float(1.375)));
    assert_eq!((yielded.num, yielded.den), (Some(Exact::whole(11)), Some(Exact::whole(8))));
    assert_eq!(yielded.n, 8);
    let points = of("100 * (deals_won - deals_lost) / (deals_won + deals_lost)", &month());
    assert_eq!((points.value, points.n), (Some(Number::Float(50.0)), 8));
    assert_eq!(points.num, Some(Exact::whole(400)));
    // One of those in between has no value, and the parts tell why.
    let none = of("demos / deals_created", &month());
    assert_eq!((none.value, none.num, none.den), (None, Some(Exact::whole(3)), Some(Exact(0))));
}

#[test]
fn what_is_absent_makes_the_whole_absent() {
    for text in [
        "spend / deals_created + spend / deals_won",
        "cohort_conversion * 2",
        "1 - churn_rate",
        "average_deal_size / (deals_won - 6)",
        "deals_won / (deals_lost - 2)",
    ] {
        assert_eq!(of(text, &month()).value, None, "{text}");
    }
    assert_eq!(of("won_amount - spend", &Measures::new()).value, exact(0));
}

/// Refunds may outweigh what was sold: a share of that says nothing, wherever it stands.
#[test]
fn a_share_of_less_than_nothing_is_absent_inside_a_formula_too() {
    let mut lost = month();
    lost.add(MeasureKey::currency(Measure::WonAmount, eur()), Exact::whole(-700).0);
    for text in ["spend / revenue", "1 - spend / revenue", "spend / (revenue / 3) * win_rate"] {
        assert!(of(text, &month()).value.is_some(), "{text}");
        assert_eq!(of(text, &lost).value, None, "{text}");
    }
    assert_eq!(of("revenue / spend", &lost).value, Some(Number::Float(-100.0 / 120.0)));
    assert!(of("revenue / deals_won", &lost).value.is_some());
}

#[test]
fn a_formula_over_kpis_is_that_of_their_fractions() {
    // 12 × 6/8 × 600/6 / (90/6): by floats it would be rounded four times.
    let velocity = of("open_deals * win_rate * average_deal_size / cycle_length_mean", &month());
    assert_eq!(velocity.value, Some(Number::Float(60.0)));
    assert_eq!((velocity.num, velocity.n), (None, 6));
    assert_eq!(of("win_rate - 0.75", &month()).value, Some(Number::Float(0.0)));
    assert_eq!(of("cycle_length_p50 / 4", &month()).value, Some(Number::Float(2.5)));
}

#[test]
fn operators_bind_as_on_paper() {
    let number = |text: &str| match of(text, &month()).value {
        Some(number) => number.to_f64(),
        None => f64::NAN,
    };
    for (text, want) in [
        ("deals_won + 2 * 3", 12.0),
        ("(deals_won + 2) * 3", 24.0),
        ("deals_won - 2 - 1", 3.0),
        ("deals_won / 2 / 3", 1.0),
        ("- deals_won * 2", -12.0),
        ("2 * --deals_won", 12.0),
        ("deals_won * -2", -12.0),
        ("deals_won-2", 4.0),
        ("((deals_won))", 6.0),
        ("0.1 * deals_won + 0.2 * deals_won", 1.8),
    ] {
        assert_eq!(number(text), want, "{text}");
    }
}

fn said(text: &str) -> String {
    let fault = match shipped(text) {
        Err(fault) => fault,
        Ok(program) => return format!("{text}\n{}", program.dimension()),
    };
    let before = text[..fault.at.start].chars().count();
    let marked = text[fault.at.clone()].chars().count().max(1);
    let (skip, mark) = (" ".repeat(before), "^".repeat(marked));
    format!("{text}\n{skip}{mark} {}: {}", fault.what, fault.mend)
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    let texts = [
        "",
        "demos /",
        "demos deals_won",
        "demos / (deals_won",
        "demos / deals_won)",
        "demos () calls",
        "* demos",
        "demos × 2",
        "démos",
        "demos % deals_won",
        "1e3 * demos",
        "0.1234567890123 * demos",
        "1 + 2",
        "winrate * 2",
        "revenue + deals_won",
        "revenue - average_deal_size",
        "revenue - 100",
        "spend / deals_won - 1",
        "cycle_length_mean + call_minutes",
        "win_rate + deals_won",
        "1 - win_rate",
        "deals_won - 1",
        "deals_won / revenue",
        "revenue * revenue",
    ];
    let all: Vec<String> = texts.iter().map(|text| said(text)).collect();
    insta::assert_snapshot!(all.join("\n"));
}

#[test]
fn a_formula_has_a_bound() {
    let long = format!("calls{}", " + calls".repeat(200));
    assert!(shipped(&long).unwrap_err().what.contains("more than 1000 characters"));
    let wide = format!("calls{}", "+calls".repeat(MAX_OPERANDS));
    assert!(shipped(&wide).unwrap_err().what.contains("more than 64 parts"));
    let deep = format!("{}calls{}", "(".repeat(450), ")".repeat(450));
    assert_eq!(of(&deep, &month()).value, exact(8));
    // The largest products that fit are computed, and are still a number.
    let power = format!("spend{}", "*spend".repeat(MAX_OPERANDS - 1));
    assert!(matches!(of(&power, &month()).value, Some(Number::Float(f)) if f > 1e133));
}

/// What the catalogue computes by hand, written out in the language, is the same to the last bit.
#[test]
fn the_language_says_what_the_catalogue_says() {
    for (kpi, text) in [
        ("win_rate", "deals_won / (deals_won + deals_lost)"),
        ("average_deal_size", "won_amount / won_priced"),
        ("win_rate_amount", "won_amount / (won_amount + lost_amount)"),
        ("roi", "(revenue - spend) / spend"),
        ("cost_per_sale", "spend / deals_won"),
        ("cycle_length_mean", "cycle_length_mean"),
        ("open_deals", "open_deals"),
        ("revenue", "won_amount"),
        ("activities_done", "activities_done"),
        ("return_on_ad_spend", "1 + roi"),
        ("retention_rate", "1 - churn_rate"),
    ] {
        let shipped = Program::of_kpi(&Kpi::named(kpi).unwrap().formula, Unit::Count, Clock::Stock);
        let (a, b) = (compute(&shipped, &month()), of(text, &month()));
        assert_eq!(a.value, b.value, "{kpi} = {text}");
    }
}

#[test]
fn a_chain_of_formulas_has_an_end() {
    let mut last = program("deals_won");
    let mut links = 0;
    let fault = loop {
        let named = |name: &str| (name == "last").then(|| last.clone());
        match Program::compile(&read("last * 2 - 1").unwrap(), named) {
            Ok(longer) => last = longer,
            Err(fault) => break fault,
        }
        links += 1;
        assert!(links < 1_000, "it grows without end");
    };
    assert_eq!(links, (MAX_STEPS - 1) / 4);
    assert!(fault.what.contains("more than 512 steps"), "{}", fault.what);
    assert!(compute(&last, &month()).value.is_some());
}

#[test]
fn every_formula_of_the_catalogue_compiles_to_its_unit_and_clock() {
    let mut written = 0;
    for kpi in CATALOGUE {
        assert_ne!(kpi.group, Group::Custom);
        let Formula::Written(program) = &kpi.formula else { continue };
        written += 1;
        assert!(matches!(program, Compiled::Shipped(_)));
        assert_eq!(program.unit(), Ok(kpi.unit), "{}", kpi.name);
        assert_eq!(program.clock().unwrap_or(Clock::OfParts), kpi.clock, "{}", kpi.name);
        assert!(!kpi.measures().is_empty());
    }
    assert!(written >= 12, "{written}");
}

/// A name that is both a KPI and a measure means the KPI. But for refunds, whose measure counts what
/// the KPI sums, the two are one number.
#[test]
fn a_name_of_both_is_one_number() {
    for (measure, ..) in Measure::ALL {
        let name = measure.name();
        let (Some(kpi), Some(program)) = (Kpi::named(&name), Program::of_measure(*measure)) else {
            continue;
        };
        if name.ends_with("_refunds") {
            continue;
        }
        assert_eq!(compute(&program, &month()).value, {
            let shipped = Program::of_kpi(&kpi.formula, kpi.unit, kpi.clock);
            compute(&shipped, &month()).value
        });
    }
}

/// No slice has the visits that go on: a formula that names them takes what the others leave.
#[test]
fn visits_that_go_on_are_what_has_not_ended() {
    let (entered, ended) = (Measure::StageEntered, MeasureKey::stage_days);
    let stage = crate::model::stage::StageIndex;
    let flow: Measures = [
        (MeasureKey::stage(entered, stage(0)), 30),
        (MeasureKey::stage(entered, stage(1)), 10),
        (ended(Measure::StageAdvanced, stage(0), 3), 9),
        (ended(Measure::StageBack, stage(1), 4), 1),
        (ended(Measure::StageLost, stage(0), 4), 5),
        (ended(Measure::StageLeft, stage(1), 0), 2),
    ]
    .into_iter()
    .collect();
    let held = Program::of_measure(Measure::StageHeld).unwrap();
    assert!(held.is_exact());
    let told = compute(&held, &flow);
    assert_eq!((told.value, told.n), (Some(Number::Exact(Exact::whole(23))), 23));
}

/// The place is that of the denominator.
#[test]
fn what_is_always_divided_by_0_is_refused_with_its_place() {
    let refused = |text: &str| {
        let fault = shipped(text).unwrap_err();
        assert!(fault.what.contains("always 0") && !fault.mend.is_empty(), "{fault:?}");
        text[fault.at].to_owned()
    };
    assert_eq!(refused("revenue / 0"), "0");
    assert_eq!(refused("deals_won / (1 - 1)"), "1 - 1");
    assert_eq!(refused("deals_won / -0"), "-0");
    assert_eq!(refused("1 + 2 / (3 * 0.5 - 1.5) * deals_won"), "3 * 0.5 - 1.5");
    assert_eq!(refused("deals_won / (0 * deals_lost)"), "0 * deals_lost");
    assert_eq!(refused("deals_won / (0 / deals_lost)"), "0 / deals_lost");
    assert_eq!(refused("deals_won / (deals_lost - deals_lost)"), "deals_lost - deals_lost");
    // One of the user's own that is nothing whatever happens.
    let nothing = program("0 * deals_won");
    let named = |name: &str| match name {
        "nothing" => Some(nothing.clone()),
        _ => catalogued(name),
    };
    let fault = Program::compile(&read("deals_lost / nothing").unwrap(), named).unwrap_err();
    assert_eq!(fault.at, 13..20);
    for taken in ["0 * deals_won", "deals_won / (1 - 0.5)", "deals_won / (deals_lost - 0)"] {
        program(taken);
    }
}

const LINEAR: &str = "3 * won_amount - spend + 2 * (lost_amount - won_amount)";
const QUOTIENT: &str = "100 * (calls + demos) / (deals_won + deals_lost)";

fn any_cell() -> impl Strategy<Value = Measures> {
    let counts = [Measure::DealsWon, Measure::DealsLost];
    let sums = [Measure::WonAmount, Measure::LostAmount, Measure::Spend];
    let entry = (0..7usize, -1_000_000_000_000_000i128..1_000_000_000_000_000);
    proptest::collection::vec(entry, 0..8).prop_map(move |entries| {
        entries
            .into_iter()
            .map(|(which, n)| match which {
                0 | 1 => (MeasureKey::plain(counts[which]), n % 100),
                2 => (MeasureKey::word(Measure::ActivitiesDone, 1), n % 100),
                3 => (MeasureKey::word(Measure::ActivitiesDone, 6), n % 100),
                _ => (MeasureKey::currency(sums[which - 4], eur()), n),
            })
            .collect()
    })
}

proptest! {
    /// The law of merging: a formula of sums is the sum of the formula over any parts in any order,
    /// and of a quotient numerator and denominator are.
    #[test]
    fn a_formula_of_sums_is_the_same_for_any_merge(
        cells in proptest::collection::vec(any_cell(), 1..6),
        turn in 0..6usize,
    ) {
        let (linear, quotient) = (program(LINEAR), program(QUOTIENT));
        let merged = |cells: &[Measures]| {
            let mut all = Measures::new();
            cells.iter().for_each(|cell| all.plus(cell));
            all
        };
        let mut turned = cells.clone();
        turned.rotate_left(turn % cells.len());
        turned.reverse();
        let whole = merged(&cells);
        prop_assert_eq!(compute(&linear, &whole), compute(&linear, &merged(&turned)));
        prop_assert_eq!(compute(&quotient, &whole), compute(&quotient, &merged(&turned)));
        let sum = |part: &dyn Fn(&Measures) -> Option<Exact>| {
            Some(Exact(cells.iter().map(|cell| part(cell).map_or(0, |n| n.0)).sum()))
        };
        let exact = |cell: &Measures| match compute(&linear, cell).value {
            Some(Number::Exact(number)) => Some(number),
            _ => None,
        };
        prop_assert_eq!(exact(&whole), sum(&exact));
        let ratio = compute(&quotient, &whole);
        prop_assert_eq!(ratio.num, sum(&|cell| compute(&quotient, cell).num));
        prop_assert_eq!(ratio.den, sum(&|cell| compute(&quotient, cell).den));
        prop_assert_eq!(ratio.value.is_none(), ratio.den == Some(Exact(0)));
    }

    #[test]
    fn any_text_is_a_formula_or_a_fault_inside_it(text in "[a-z_0-9 .+*/()-]{0,60}|\\PC{0,30}") {
        if let Err(fault) = shipped(&text) {
            prop_assert!(text.get(fault.at.clone()).is_some(), "{fault:?}");
        }
    }
}

#[test]
fn an_own_program_is_shared_not_copied() {
    let program = Arc::new(program("demos / deals_won"));
    let own = Compiled::Own(program.clone());
    assert!(own == own.clone());
    assert_eq!(Arc::strong_count(&program), 2);
}

#[test]
fn a_sum_by_working_days_is_a_quotient_of_the_things_in_it() {
    let (wins, money) =
        (of("deals_won / working_days", &month()), of("won_amount / working_days", &month()));
    assert_eq!(
        (wins.value, wins.den, wins.n),
        (Some(Number::Float(0.3)), Some(Exact::whole(20)), 6)
    );
    assert_eq!((money.value, money.n), (Some(Number::Float(30.0)), 6));
    assert!(program("won_amount / working_days").is_a_day());
    for text in
        ["working_days", "working_days / deals_won", "2 * deals_won", "won_amount / deals_won"]
    {
        assert!(!program(text).is_a_day(), "{text}");
    }
}

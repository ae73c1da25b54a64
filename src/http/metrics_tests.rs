use std::sync::Arc;

use super::*;
use crate::model::kpi::{CATALOGUE, KpiValue, Kpis, View};
use crate::model::measure::{Measure, MeasureKey, Measures};
use crate::model::money::{Currency, Exact};
use crate::model::row::Pane;
use crate::model::time::{Day, Timestamp};
use crate::model::window::WindowKind;

pub(in crate::http) const MANY: Caps = Caps { per_family: 1000, ..Caps::NONE };

pub(in crate::http) fn row(segment: Segment, won: i128, lost: i128) -> Row {
    let eur = Currency::parse("EUR").unwrap();
    let flow: Measures = [
        (MeasureKey::plain(Measure::DealsWon), won),
        (MeasureKey::plain(Measure::DealsLost), lost),
        (MeasureKey::currency(Measure::WonAmount, eur), Exact::whole(won * 100).0 / 8),
        (MeasureKey::currency(Measure::WonPriced, eur), won),
        (MeasureKey::days(Measure::CycleWon, 2), won),
    ]
    .into_iter()
    .collect();
    let stock = Measures::new();
    let view = View {
        flow: &flow,
        stock: &stock,
        opening: &stock,
        first_day: Day(0),
        before: [None; 3],
        age_days: 0,
        followed: None,
        working_days: Some(20),
        currency: eur,
    };
    Row {
        kind: WindowKind::RollingDays(28),
        start: Timestamp(0),
        end: Timestamp(1),
        zone: "UTC".to_owned(),
        segment,
        pane: Pane::Early,
        revision: 0,
        version: 1,
        as_of: None,
        complete_ratio: 0.5,
        incomplete: false,
        kpis: CATALOGUE.iter().map(|k| (k.name.clone(), k.unit, k.compute(&view))).collect(),
        currency: eur,
        targets: Vec::new(),
        funnel: None,
    }
}

pub(in crate::http) fn rep(name: &str) -> Row {
    row(Segment::of([("rep", name)]), 1, 1)
}

#[test]
fn values_are_in_base_units_and_absent_ones_have_no_sample() {
    let won = row(Segment::of([("rep", "a")]), 1, 3);
    let text = KpiSnapshot::render(&[&won], &Kpis::ALL, MANY).text();
    let labels = r#"{rep="a",window="rolling_28d"}"#;
    for line in [
        format!("tidemark_rep_win_ratio{labels} 0.25"),
        format!("tidemark_rep_deals_closed{labels} 4"),
        format!("tidemark_rep_cycle_samples{labels} 1"),
        format!("tidemark_rep_cycle_p50_seconds{labels} 172800"),
        format!("tidemark_rep_won_amount{labels} 12.5"),
        format!("tidemark_rep_window_complete_ratio{labels} 0.5"),
        "# TYPE tidemark_rep_win_ratio gauge".to_owned(),
    ] {
        assert!(text.contains(&format!("{line}\n")), "{line} in\n{text}");
    }
    let none = row(Segment::overall(), 0, 0);
    let text = KpiSnapshot::render(&[&none], &Kpis::ALL, MANY).text();
    assert!(!text.contains("win_ratio") && !text.contains("cycle_p50"), "{text}");
    assert!(text.contains("tidemark_overall_deals_closed{window=\"rolling_28d\"} 0\n"));
    assert!(text.contains("tidemark_overall_deals_won{window=\"rolling_28d\"} 0\n"));
}

#[test]
fn a_page_does_not_depend_on_the_order_of_rows() {
    let (a, b, overall) = (rep("a"), rep("b"), row(Segment::overall(), 2, 1));
    let page = KpiSnapshot::render(&[&a, &b, &overall], &Kpis::ALL, MANY);
    assert_eq!(KpiSnapshot::render(&[&overall, &b, &a], &Kpis::ALL, MANY), page);
    let series: BTreeMap<&str, u64> = page.series().collect();
    assert_eq!((series["tidemark_rep_win_ratio"], series["tidemark_overall_win_ratio"]), (2, 1));
}

#[test]
fn labels_are_escaped_cut_and_never_twice() {
    let shown = |parts: &[(&str, &str)]| labels(&Segment::of(parts.iter().copied()), "day");
    assert_eq!(shown(&[("rep", "a\"b\\c\nd")]), r#"{rep="a\"b\\c\nd",window="day"}"#);
    assert_eq!(
        shown(&[("x.industry", "a"), ("x_industry", "b"), ("x-industry", "c")]),
        r#"{x_industry="a",x_industry_2="b",x_industry_3="c",window="day"}"#
    );
    assert_eq!(shown(&[("window", "a")]), r#"{window_="a",window="day"}"#);
    assert_eq!(shown(&[("__name__", "a")]), r#"{_name__="a",window="day"}"#);
    assert_eq!(shown(&[("2nd", "a"), ("é", "b")]), r#"{_2nd="a",dimension="b",window="day"}"#);
    for (c, kept) in [('a', 200), ('é', 100), ('東', 66), ('😀', 50)] {
        let long = shown(&[("rep", &c.to_string().repeat(10_000))]);
        assert_eq!(long.chars().filter(|of| *of == c).count(), kept + usize::from(c == 'a'), "{c}");
    }
}

/// Prometheus counts bytes, and over a limit it refuses the whole scrape: one deal would darken all.
#[test]
fn no_label_is_longer_than_the_shipped_prometheus_takes() {
    let named = "label_value_length_limit: ";
    for file in ["prometheus.yml", "prometheus.local.yml"] {
        let path = format!("{}/deploy/prometheus/{file}", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(path).unwrap();
        let limit = text.lines().find_map(|line| line.trim().strip_prefix(named)).unwrap();
        let limit: usize = limit.parse().unwrap();
        for c in ["a", "é", "東", "😀", "\0", "\u{202e}"] {
            let mut shown = String::new();
            escape(&mut shown, &c.repeat(300));
            assert!((limit / 2..=limit).contains(&shown.len()), "{c:?}: {}", shown.len());
        }
    }
}

#[test]
fn what_no_reader_could_see_is_shown_as_such() {
    let mut shown = String::new();
    escape(&mut shown, "a\0b\rc\u{202e}d\ne\u{85}");
    assert_eq!(shown, "a\u{fffd}b\u{fffd}c\u{fffd}d\\ne\u{fffd}");
}

#[test]
fn what_is_too_much_is_left_out_and_counted() {
    let (a, b, c) = (rep("a"), rep("b"), rep("c"));
    let page = KpiSnapshot::render(&[&c, &b, &a], &Kpis::ALL, Caps { per_family: 2, ..Caps::NONE });
    let dropped: BTreeMap<&str, u64> = page.dropped().collect();
    assert_eq!(dropped["tidemark_rep_win_ratio"], 1);
    assert!(!page.text().contains("rep=\"c\""), "the first by name stay");
    // Equal behind the cut: one series, the newest row.
    let long = "é".repeat(VALUE_BYTES);
    let mut newer = row(Segment::of([("rep", format!("{long}2").as_str())]), 5, 0);
    newer.version = 2;
    let page = KpiSnapshot::render(&[&rep(&format!("{long}1")), &newer], &Kpis::ALL, MANY);
    assert_eq!(page.text().matches("tidemark_rep_deals_won{").count(), 1);
    assert!(page.text().contains("window=\"rolling_28d\"} 5\n"));
}

#[test]
fn openmetrics_names_counters_without_total_and_ends() {
    let telemetry = Telemetry::new("0.0.0", "2026a", "EUR");
    let pages = MetricsPages::new(Arc::clone(&telemetry), Caps::NONE);
    let text = expose(&telemetry, &pages, Format::OpenMetrics).unwrap();
    assert!(text.contains("# TYPE tidemark_late counter\ntidemark_late_total 0\n"), "{text}");
    assert!(text.contains("# TYPE tidemark_build_info gauge\n"));
    assert!(text.ends_with("\n# EOF\n"));
    assert!(!expose(&telemetry, &pages, Format::Text).unwrap().contains("# EOF"));
}

#[test]
fn openmetrics_is_served_where_it_is_preferred() {
    let prometheus = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
    assert_eq!(negotiate(prometheus), Format::OpenMetrics);
    assert_eq!(negotiate("text/plain, application/openmetrics-text;q=0.5"), Format::Text);
    let equal = "text/plain;q=0.5,application/openmetrics-text;q=0.5";
    assert_eq!(negotiate(equal), Format::OpenMetrics);
    assert_eq!(negotiate("*/*"), Format::Text);
    assert_eq!(negotiate(""), Format::Text);
    assert_eq!(negotiate("application/openmetrics-text;q=0"), Format::Text);
    assert_eq!(negotiate("application/openmetrics-text;q=x"), Format::Text);
}

#[test]
fn help_is_one_line_and_the_same_in_both_formats() {
    let help = Help::Fixed("share of \"won\" or \\ lost\ndeals");
    assert_eq!(help.text(), "Share of 'won' or / lost deals.");
}

#[test]
fn a_value_that_is_no_number_has_no_sample() {
    let mut odd = rep("a");
    let value = Some(crate::model::kpi::Number::Float(f64::NAN));
    odd.kpis = vec![("win_rate".into(), Unit::Ratio, KpiValue { value, ..KpiValue::default() })];
    assert!(!KpiSnapshot::render(&[&odd], &Kpis::ALL, MANY).text().contains("NaN"));
}

/// Line by line and family by family, without a thought for time.
fn plainly(rows: &[&Row], caps: Caps) -> String {
    let mut all: Vec<_> = rows
        .iter()
        .map(|row| (name_of(&row.segment.grain()), labels(&row.segment, &row.kind.name()), *row))
        .collect();
    let newest = |row: &Row| std::cmp::Reverse((row.version, row.as_of));
    all.sort_by(|a, b| (&a.0, &a.1, newest(a.2)).cmp(&(&b.0, &b.1, newest(b.2))));
    all.dedup_by(|b, a| (&a.0, &a.1) == (&b.0, &b.1));
    let mut families: BTreeMap<String, (String, Vec<String>)> = BTreeMap::new();
    for (grain, labels, row) in &all {
        let mut add = |suffix: &str, help: Help<'_>, labels: &str, value: f64| {
            let name = format!("tidemark_{grain}_{suffix}");
            let family = families.entry(name.clone()).or_insert((help.text(), Vec::new()));
            if family.1.len() < caps.per_family {
                family.1.push(format!("{name}{labels} {value}\n"));
            }
        };
        samples(row, &Kpis::ALL, |suffix, help, value| add(suffix, help, labels, value));
        funnel::samples(row, labels, |suffix, help, labels, value| {
            add(suffix, Help::Fixed(help), labels, value);
        });
    }
    let text = |(name, (help, lines)): (&String, &(String, Vec<String>))| {
        format!("# HELP {name} {help}\n# TYPE {name} gauge\n{}", lines.concat())
    };
    families.iter().map(text).collect()
}

#[test]
fn a_large_page_is_what_writing_it_plainly_gives() {
    let mut rows =
        vec![row(Segment::overall(), 7, 0), row(Segment::of([("rep deals", "x")]), 3, 4)];
    for i in 0..400 {
        let name = format!("r-{i:03}");
        // Some have nothing to divide by, so that families are left out in the midst of a row.
        let (won, lost) = (i128::from(i % 5), i128::from(i % 3));
        rows.push(row(Segment::of([("rep", name.as_str())]), won, lost));
        let long = format!("{}{i}", "\u{e9}".repeat(VALUE_BYTES));
        rows.push(Row { version: i, ..row(Segment::of([("team", long.as_str())]), won + 2, 7) });
        rows.push(row(
            Segment::of([("channel", "web"), ("rep", name.as_str())]),
            won * 1_000_003,
            7,
        ));
    }
    // Its deals won and the credited ones of reps are one family.
    rows.push(row(Segment::of([("rep_credited", "z")]), 5, 5));
    let rows: Vec<&Row> = rows.iter().collect();
    for caps in [MANY, Caps { per_family: 150, ..Caps::NONE }] {
        let page = KpiSnapshot::render(&rows, &Kpis::ALL, caps);
        assert!(page.series().map(|(_, n)| n).sum::<u64>() > 5_000);
        let (text, plain) = (page.text(), plainly(&rows, caps));
        assert!(text.contains("tidemark_rep_credited_deals_won{rep=\"r-001\",window="));
        let other = text.matches("tidemark_rep_credited_deals_won{rep_credited=").count();
        assert_eq!(other, usize::from(caps == MANY), "the reps are as many as there may be");
        let differs = text.lines().zip(plain.lines()).find(|(a, b)| a != b);
        assert_eq!(differs, None);
        assert_eq!(text.len(), plain.len());
    }
}

#[test]
fn what_rows_have_beside_their_kpis_is_reckoned_with() {
    let config = crate::config::Config::defaults();
    let kpis = &config.definition.kpis;
    let text = KpiSnapshot::render(&[&row(Segment::overall(), 1, 3)], kpis, MANY).text();
    let families = text.lines().filter(|line| !line.starts_with('#'));
    let families =
        families.filter_map(|line| line.split('{').next()?.strip_prefix("tidemark_overall_"));
    let beside =
        families.filter(|family| Kpis::ALL.kpis().all(|kpi| kpi.family != **family)).count();
    let estimate = config.estimate();
    assert_eq!(estimate.beside, estimate.rows * beside as u64);
}

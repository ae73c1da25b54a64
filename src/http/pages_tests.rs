use super::*;
use crate::http::metrics::tests::{MANY, rep, row};
use crate::http::metrics::{Format, KpiSnapshot, expose};
use crate::model::kpi::Kpis;
use crate::model::row::Row;
use crate::model::segment::Segment;

const FAMILY: &str = "tidemark_rep_win_ratio";

fn page(rows: &[Row]) -> KpiPage {
    KpiSnapshot::render(&rows.iter().collect::<Vec<_>>(), &Kpis::ALL, MANY)
}

/// The values of `rep` in a family, as they stand on the page.
fn reps(text: &str, family: &str) -> Vec<String> {
    let begin = format!("{family}{{rep=\"");
    let values = text.lines().filter_map(|line| line.strip_prefix(&begin)?.split('"').next());
    values.map(str::to_owned).collect()
}

/// How many series the page has that are not of the process.
fn shown(text: &str) -> usize {
    let of = |line: &&str| {
        ["tidemark_rep_", "tidemark_overall_"].iter().any(|begin| line.starts_with(begin))
    };
    text.lines().filter(of).count()
}

#[test]
fn pages_are_merged_by_family_and_leave_with_their_partition() {
    let telemetry = Telemetry::new("0.0.0", "2026a", "EUR");
    let pages = MetricsPages::new(Arc::clone(&telemetry), Caps::NONE);
    pages.put(0, KpiSnapshot::render(&[&rep("a")], &Kpis::ALL, MANY));
    pages.put(
        1,
        KpiSnapshot::render(&[&rep("b"), &row(Segment::overall(), 1, 1)], &Kpis::ALL, MANY),
    );
    let text = expose(&telemetry, &pages, Format::Text).unwrap();
    assert_eq!(text.matches("# TYPE tidemark_rep_win_ratio gauge\n").count(), 1);
    let family: Vec<&str> = text
        .lines()
        .skip_while(|l| !l.starts_with("# HELP tidemark_rep_win_ratio"))
        .take(4)
        .collect();
    assert!(family[2].contains("rep=\"a\"") && family[3].contains("rep=\"b\""), "{family:?}");
    assert!(text.contains("tidemark_series{family=\"tidemark_rep_win_ratio\"} 2\n"));

    pages.remove(1);
    let text = expose(&telemetry, &pages, Format::Text).unwrap();
    assert!(!text.contains("rep=\"b\"") && !text.contains("tidemark_overall_"), "{text}");
    assert!(text.contains("tidemark_series{family=\"tidemark_rep_win_ratio\"} 1\n"));
}

#[test]
fn what_a_page_leaves_out_is_counted_by_family() {
    let telemetry = Telemetry::new("0.0.0", "2026a", "EUR");
    let pages = MetricsPages::new(Arc::clone(&telemetry), Caps::NONE);
    let rows = [rep("a"), rep("b"), rep("c")];
    let rows: Vec<&Row> = rows.iter().collect();
    pages.put(0, KpiSnapshot::render(&rows, &Kpis::ALL, Caps { per_family: 1, ..Caps::NONE }));
    let text = expose(&telemetry, &pages, Format::Text).unwrap();
    let line = "tidemark_series_dropped_total{family=\"tidemark_rep_win_ratio\"} 2\n";
    assert!(text.contains(line), "{text}");
}

/// Eight partitions, members dealt to them in turn.
fn eight(caps: Caps, members: &[&str]) -> (Arc<Telemetry>, Arc<MetricsPages>) {
    let telemetry = Telemetry::new("0.0.0", "2026a", "EUR");
    let pages = MetricsPages::new(Arc::clone(&telemetry), caps);
    for partition in 0..8_u32 {
        let of = |(i, _): &(usize, _)| *i as u32 % 8 == partition;
        let rows = members.iter().enumerate().filter(of).map(|(_, name)| rep(name));
        let whole = (partition == 3).then(|| row(Segment::overall(), 1, 1));
        pages.put(partition, page(&rows.chain(whole).collect::<Vec<_>>()));
    }
    (telemetry, pages)
}

const MEMBERS: [&str; 20] = [
    "t", "c", "a", "q", "d", "o", "n", "m", "l", "k", "j", "i", "h", "g", "f", "e", "p", "b", "r",
    "s",
];

#[test]
fn a_family_has_its_limit_over_all_partitions_and_the_first_by_name_stay() {
    let caps = Caps { per_family: 5, ..Caps::NONE };
    let (telemetry, pages) = eight(caps, &MEMBERS);
    let text = expose(&telemetry, &pages, Format::Text).unwrap();
    assert_eq!(reps(&text, FAMILY), ["a", "b", "c", "d", "e"]);
    assert!(text.contains(&format!("tidemark_series{{family=\"{FAMILY}\"}} 5\n")), "{text}");
    let dropped = format!("tidemark_series_dropped_total{{family=\"{FAMILY}\"}}");
    assert!(text.contains(&format!("{dropped} 15\n")), "{text}");
    // A scrape without a publish before it counts nothing twice.
    let again = expose(&telemetry, &pages, Format::Text).unwrap();
    assert!(again.contains(&format!("{dropped} 15\n")), "{again}");
    // A publish that changes no member changes none that is shown.
    pages.put(1, page(&[rep("c"), rep("k"), rep("b")]));
    let text = expose(&telemetry, &pages, Format::Text).unwrap();
    assert_eq!(reps(&text, FAMILY), ["a", "b", "c", "d", "e"]);
    assert!(text.contains(&format!("{dropped} 30\n")), "{text}");
}

#[test]
fn all_families_together_have_their_limit_and_the_small_ones_lose_last() {
    let (telemetry, pages) = eight(Caps::NONE, &MEMBERS);
    let whole = expose(&telemetry, &pages, Format::Text).unwrap();
    let (all, overall) = (shown(&whole), whole.matches("\ntidemark_overall_").count());
    for total in [all, all - 1, all / 2, all / 4] {
        let (telemetry, pages) = eight(Caps { per_family: 1000, total }, &MEMBERS);
        let text = expose(&telemetry, &pages, Format::Text).unwrap();
        let left = shown(&text);
        assert!(left <= total && left > total / 2, "{left} of {total}");
        assert_eq!(text.matches("\ntidemark_overall_").count(), overall, "each is alone");
        let kept = reps(&text, FAMILY);
        assert!(kept.is_sorted() && kept.first().is_some_and(|first| first == "a"), "{kept:?}");
        let counted = |name: &str| -> usize {
            let of = text.lines().filter(|line| line.starts_with(&format!("{name}{{")));
            of.map(|line| line.rsplit(' ').next().unwrap().parse::<usize>().unwrap()).sum()
        };
        let (series, dropped) =
            (counted("tidemark_series"), counted("tidemark_series_dropped_total"));
        assert_eq!((series, series + dropped), (left, all));
    }
}

/// Prometheus refuses no page for a series that is there twice, and says which of the two it took to
/// nobody.
#[test]
fn what_became_equal_by_cutting_is_shown_once_over_all_partitions() {
    let telemetry = Telemetry::new("0.0.0", "2026a", "EUR");
    let pages = MetricsPages::new(Arc::clone(&telemetry), Caps::NONE);
    let long = "東".repeat(100);
    for (partition, won) in [(0, 5), (1, 7), (2, 9)] {
        let name = format!("{long}{partition}");
        pages.put(partition, page(&[row(Segment::of([("rep", name.as_str())]), won, 1)]));
    }
    let text = expose(&telemetry, &pages, Format::Text).unwrap();
    assert_eq!(text.matches("\ntidemark_rep_deals_won{").count(), 1, "{text}");
    assert!(text.contains("window=\"rolling_28d\"} 5\n"), "of the first partition");
    let dropped = "tidemark_series_dropped_total{family=\"tidemark_rep_deals_won\"} 2\n";
    assert!(text.contains(dropped), "{text}");
}

#[test]
fn a_page_is_merged_once_a_publish() {
    let (_, pages) = eight(Caps::NONE, &MEMBERS);
    let first = pages.text();
    assert!(Arc::ptr_eq(&first, &pages.text()));
    pages.remove(3);
    let next = pages.text();
    assert!(!Arc::ptr_eq(&first, &next) && !next.contains("tidemark_overall_"));
}

#[test]
fn limits_are_met_whatever_the_sizes() {
    for (counts, total, most) in [
        (vec![10, 10, 10], 30, 100),
        (vec![10, 10, 10], 29, 9),
        (vec![100, 100], 199, 96),
        (vec![100, 100], 194, 96),
        (vec![1, 1, 100], 12, 10),
        (vec![1, 1, 1], 2, 0),
        (vec![], 0, 100),
    ] {
        let found = most_of_each(&counts, Caps { per_family: 100, total });
        assert_eq!(found, most, "{counts:?} in {total}");
    }
}

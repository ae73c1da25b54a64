//! `tidemark kpis`: the catalogue, for people and as JSON.

use std::fmt::Write as _;

use anyhow::anyhow;

use super::Failure;
use crate::config::near::did_you_mean;
use crate::http::KpiShown;
use crate::model::kpi::{CATALOGUE, Formula, Kpi, Unit};

#[derive(clap::Args)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    action: Action,
}

#[derive(clap::Subcommand)]
enum Action {
    /// List all: name, unit, clock, leading or lagging, metric.
    List {
        /// As JSON, as `/api/v1/kpis` has it.
        #[arg(long)]
        json: bool,
    },
    /// Show one: formula, meaning, traps, parts, metrics.
    Show {
        /// Its name.
        name: String,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
}

pub fn run(arguments: Arguments) -> Result<(), Failure> {
    match arguments.action {
        Action::List { json: true } => {
            let kpis: Vec<KpiShown> = CATALOGUE.iter().map(KpiShown::from).collect();
            println!("{}", pretty(&serde_json::json!({ "kpis": kpis })));
        }
        Action::List { json: false } => print!("{}", list()),
        Action::Show { name, json } => {
            let kpi = named(&name)?;
            if json {
                println!("{}", pretty(&KpiShown::from(kpi)));
            } else {
                print!("{}", show(kpi));
            }
        }
    }
    Ok(())
}

fn pretty(value: &impl serde::Serialize) -> String {
    serde_json::to_string_pretty(value).expect("plain data serializes")
}

/// The KPI of a name that somebody typed.
pub(super) fn named(name: &str) -> Result<&'static Kpi, Failure> {
    Kpi::named(name).ok_or_else(|| {
        let names: Vec<&str> = CATALOGUE.iter().map(|kpi| kpi.name).collect();
        let mend = did_you_mean(name, &names);
        let name: String = name.chars().take(80).collect();
        Failure::Config(anyhow!("there is no KPI \"{name}\": {mend}"))
    })
}

fn kind(kpi: &Kpi) -> &'static str {
    if kpi.leading { "leading" } else { "lagging" }
}

fn list() -> String {
    let mut lines = vec![["KPI", "UNIT", "CLOCK", "KIND", "METRIC"].map(str::to_owned)];
    lines.extend(CATALOGUE.iter().map(|kpi| {
        let family = format!("tidemark_<grain>_{}", kpi.family);
        let cells = [kpi.name, kpi.unit.as_str(), kpi.clock.as_str(), kind(kpi), &family];
        cells.map(str::to_owned)
    }));
    let width = |i: usize| lines.iter().map(|line| line[i].len()).max().unwrap_or(0);
    let widths: [usize; 4] = std::array::from_fn(width);
    let mut out = String::new();
    for [name, unit, clock, kind, family] in &lines {
        let [a, b, c, d] = widths;
        let _ = writeln!(out, "{name:a$}  {unit:b$}  {clock:c$}  {kind:d$}  {family}");
    }
    out
}

fn show(kpi: &Kpi) -> String {
    let mut out = format!("{}\n  = {}\n  {}\n\n", kpi.name, kpi.text, kpi.doc);
    let unit = match kpi.unit {
        Unit::Count => "count",
        Unit::Money => "reporting currency",
        Unit::Ratio => "ratio, 0.25 is 25 %",
        Unit::Days => "civil days in rows, seconds (86400 a day) on /metrics",
        Unit::Minutes => "minutes in rows, seconds on /metrics",
        Unit::Points => "points",
    };
    let parts = match kpi.parts() {
        Some((num, den)) => format!("num ({}), den ({}), n", num.as_str(), den.as_str()),
        None => "n".to_owned(),
    };
    let adds_up = kpi.is_exact() || matches!(kpi.formula, Formula::Minutes(..));
    let absent = if adds_up { "never: nothing is 0" } else { absent(kpi) };
    for (label, text) in [
        ("unit", unit),
        ("clock", kpi.clock.as_str()),
        ("kind", kind(kpi)),
        ("parts", &parts),
        ("absent", absent),
        ("windows", windows(kpi)),
    ] {
        let _ = writeln!(out, "  {label:<8} {text}");
    }
    let beside = match kpi.name {
        "win_rate" => &["deals_closed"][..],
        "cycle_length_mean" => &["cycle_samples"],
        _ => &[],
    };
    for (i, family) in [kpi.family].iter().chain(beside).enumerate() {
        let label = if i == 0 { "metrics" } else { "" };
        let _ = writeln!(
            out,
            "  {label:<8} tidemark_overall_{family}{{window}}, tidemark_<grain>_{family}{{<dimensions>,window}}"
        );
    }
    out
}

fn absent(kpi: &Kpi) -> &'static str {
    match kpi.formula {
        Formula::Cohort(Some(_)) => {
            "where no deal was created, and until the whole cohort is old enough"
        }
        Formula::Growth(_) => "where the window before has no revenue, or is not kept",
        Formula::MeanDays(_) | Formula::QuantileDays(..) => "where no deal was won",
        Formula::MoneyPer(..) => "where the denominator is 0, and where no spend was stated",
        _ => "where the denominator is 0",
    }
}

fn windows(kpi: &Kpi) -> &'static str {
    match kpi.formula {
        Formula::Stock(_) | Formula::StockMoney(..) => {
            "what stands at the window's end; it is not added up over windows"
        }
        Formula::Growth(_) => {
            "compared with the window before, a running one with the same elapsed part of it; a \
             rolling window up to 7 days needs slices.fine_retention above twice its length"
        }
        Formula::Cohort(Some(_)) => {
            "deals by the day of their creation; recent windows have no value yet"
        }
        Formula::Cohort(None) => {
            "deals by the day of their creation; windows go on changing after they are closed"
        }
        Formula::Minutes(..) => "added up over windows that do not overlap",
        _ if kpi.is_exact() => "added up over windows that do not overlap",
        _ => "not averaged over windows or segments: sum num and den, or read a longer window",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_and_each_kind_of_kpi_are_shown() {
        insta::assert_snapshot!("kpis_list", list());
        let shown: Vec<String> =
            ["deals_won", "win_rate", "cohort_conversion_90d", "revenue_growth"]
                .iter()
                .map(|name| show(Kpi::named(name).unwrap()))
                .collect();
        insta::assert_snapshot!("kpis_show", shown.join("\n"));
    }

    #[test]
    fn a_typo_names_the_nearest() {
        let said = |name: &str| match named(name) {
            Err(Failure::Config(error)) => error.to_string(),
            other => panic!("{other:?}"),
        };
        assert_eq!(said("winrate"), "there is no KPI \"winrate\": did you mean \"win_rate\"?");
        assert!(said("x").contains("write one of \"leads_created\", "), "{}", said("x"));
    }

    /// What stands beside a KPI on `/metrics` is told too.
    #[test]
    fn the_metrics_shown_are_those_that_are_written() {
        use crate::http::metrics::samples;
        use crate::model::kpi::View;
        use crate::model::measure::{Measure, MeasureKey, Measures};
        let eur = crate::model::money::Currency::parse("EUR").unwrap();
        let flow: Measures = [
            (MeasureKey::plain(Measure::DealsWon), 1),
            (MeasureKey::days(Measure::CycleWon, 2), 1),
        ]
        .into_iter()
        .collect();
        let stock = Measures::new();
        let view = View {
            flow: &flow,
            stock: &stock,
            opening: &stock,
            first_day: crate::model::time::Day(0),
            before: None,
            age_days: 100,
            currency: eur,
        };
        for kpi in CATALOGUE {
            let mut row = crate::export::tests::row();
            row.kpis = vec![(kpi.name, kpi.unit, kpi.compute(&view))];
            let text = show(kpi);
            samples(&row, |family, _, _| {
                let told = text.contains(&format!("tidemark_overall_{family}{{window}}"));
                assert!(told || family == "window_complete_ratio", "{family} of {}", kpi.name);
            });
        }
    }
}

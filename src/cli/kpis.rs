//! `tidemark kpis`: the catalogue, for people and as JSON.

mod measures;

use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::anyhow;

use self::measures::{MeasureShown, catalogued, list_own, shown};
use super::out::{say, say_all};
use super::{Failure, load};
use crate::config::near::nearest;
use crate::http::{FigureShown, KpiShown, figures_shown};
use crate::model::figures::{self, FIGURES, Figure};
use crate::model::kpi::{Grain, Group, Kpi, Kpis, Unit};
use crate::model::own::OwnMeasures;
use crate::model::untold::{self, UNTOLD, Untold};
use crate::model::usual::{self, Found};

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
        /// A configuration (TOML): only the KPIs that its rows have, its own of [kpis.custom], and its
        /// [measures].
        #[arg(long)]
        config: Option<PathBuf>,
        /// As JSON: the KPIs as `/api/v1/kpis` has them, and the configuration's own measures.
        #[arg(long)]
        json: bool,
    },
    /// Show one: formula, meaning, traps, parts, metrics.
    Show {
        /// Its name, or what it is usually called: cac, nrr, aov, …
        name: String,
        /// A configuration (TOML), whose own KPIs and measures are known too.
        #[arg(long)]
        config: Option<PathBuf>,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
}

pub fn run(arguments: Arguments) -> Result<(), Failure> {
    match arguments.action {
        Action::List { config, json } => {
            let (known, own) = known_of(config)?;
            if json {
                let kpis: Vec<KpiShown> = known.kpis().map(KpiShown::from).collect();
                let own: Vec<MeasureShown<'_>> =
                    own.all().iter().map(|m| shown(m, &known)).collect();
                say(pretty(
                    &serde_json::json!({ "kpis": kpis, "measures": own, "funnel": figures_shown(&known) }),
                ))?;
            } else {
                say_all(format_args!("{}{}{}", list(&known), list_own(&own), list_untold()))?;
            }
        }
        Action::Show { name, config, json } => {
            let (known, own) = known_of(config)?;
            let text = own.named(&name).map(|measure| measure.text());
            let measure = match own.named(&name) {
                Some(measure) => Some(shown(measure, &known)),
                // Where a KPI has the same name, that one is meant.
                None if meant(&known, &name).is_ok() => None,
                None => catalogued(&name, &known),
            };
            // So is a number of the funnel, where no KPI has its name.
            let figure = figures::named(&name).filter(|_| meant(&known, &name).is_err());
            if let (Some(figure), None) = (figure, &measure) {
                match json {
                    true => say(pretty(&FigureShown::from(figure)))?,
                    false => say_all(show_figure(figure))?,
                }
                return Ok(());
            }
            match (measure, json) {
                (Some(measure), true) => say(pretty(&measure))?,
                (Some(measure), false) => say_all(measures::show(&measure, text.as_deref()))?,
                (None, true) => say(pretty(&KpiShown::from(meant(&known, &name)?)))?,
                (None, false) => say_all(show(meant(&known, &name)?))?,
            }
        }
    }
    Ok(())
}

/// The KPIs, and measures of the user's own.
fn known_of(config: Option<PathBuf>) -> Result<(Kpis, OwnMeasures), Failure> {
    let Some(path) = config else { return Ok((Kpis::ALL, OwnMeasures::default())) };
    let definition = load(&path)?.definition;
    Ok((definition.kpis, definition.measures))
}

/// What one may look for in vain.
fn list_untold() -> String {
    let names: Vec<&str> = UNTOLD.iter().map(|untold| untold.name).collect();
    format!("\nNot told: {}. `tidemark kpis show NAME` says why.\n", names.join(", "))
}

fn pretty(value: &impl serde::Serialize) -> String {
    serde_json::to_string_pretty(value).expect("plain data serializes")
}

/// The KPI of a name that somebody typed, or of what it is usually called.
fn meant<'k>(known: &'k Kpis, name: &str) -> Result<&'k Kpi, Failure> {
    match usual::named(name) {
        Some(Found::Kpi(kpi)) if known.named(name).is_none() => named(known, kpi),
        _ => named(known, name),
    }
}

/// The KPI of a name that somebody typed.
pub(super) fn named<'k>(known: &'k Kpis, name: &str) -> Result<&'k Kpi, Failure> {
    known.named(name).ok_or_else(|| {
        if let Some(Untold { why, instead, .. }) = untold::named(name) {
            return Failure::Config(anyhow!("\"{name}\" is not told: {why}. Use {instead}"));
        }
        match usual::named(name) {
            Some(Found::Kpi(kpi)) => {
                return Failure::Config(anyhow!("there is no KPI \"{name}\": write \"{kpi}\""));
            }
            Some(Found::Elsewhere(what)) => {
                return Failure::Config(anyhow!("\"{name}\" is no KPI: {what}"));
            }
            None => {}
        }
        let mend = match nearest(name, known.known().map(|kpi| &*kpi.name)) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => "`tidemark kpis list` has their names".to_owned(),
        };
        let name: String = name.chars().take(80).collect();
        Failure::Config(anyhow!("there is no KPI \"{name}\": {mend}"))
    })
}

fn kind(kpi: &Kpi) -> &'static str {
    if kpi.leading { "leading" } else { "lagging" }
}

fn list(known: &Kpis) -> String {
    let mut lines = vec![["KPI", "UNIT", "CLOCK", "KIND", "METRIC"].map(str::to_owned)];
    lines.extend(known.kpis().map(|kpi| {
        let family = format!("tidemark_<grain>_{}", kpi.family);
        let cells = [&kpi.name, kpi.unit.as_str(), kpi.clock.as_str(), kind(kpi), &family];
        cells.map(str::to_owned)
    }));
    if known.has(Group::Funnel) {
        lines.extend(FIGURES.iter().map(|figure| {
            let family = format!("tidemark_<grain>_{}, of each stage", figure.family);
            let kind = if figure.leading { "leading" } else { "lagging" };
            let name = format!("funnel: {}", figure.name);
            let cells = [&name, figure.unit.as_str(), figure.clock.as_str(), kind, &family];
            cells.map(str::to_owned)
        }));
    }
    let width = |i: usize| lines.iter().map(|line| line[i].len()).max().unwrap_or(0);
    let widths: [usize; 4] = std::array::from_fn(width);
    let mut out = String::new();
    for [name, unit, clock, kind, family] in &lines {
        let [a, b, c, d] = widths;
        let _ = writeln!(out, "{name:a$}  {unit:b$}  {clock:c$}  {kind:d$}  {family}");
    }
    out
}

fn show_figure(figure: &Figure) -> String {
    let Figure { name, family, unit, clock, leading, formula, absent, of, min_n } = figure;
    let mut out = format!("{name}\n  = {formula}\n  Of each stage, in the funnel of rows.\n\n");
    let kind = if *leading { "leading" } else { "lagging" };
    let least = format!("with {of} below {min_n} the stage names it in low_n");
    let family = format!("tidemark_<grain>_{family}{{<dimensions>,stage,window}}");
    for (label, text) in [
        ("unit", unit.as_str()),
        ("clock", clock.as_str()),
        ("kind", kind),
        ("absent", absent),
        ("least n", &least),
        ("metrics", &family),
    ] {
        let _ = writeln!(out, "  {label:<8} {text}");
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
    let absent = kpi.absent().unwrap_or("never: nothing is 0");
    let least = match kpi.min_n() {
        0 => "any number of things behind it".to_owned(),
        n => format!("below n = {n} a value is marked low_n"),
    };
    let grain = match kpi.grain() {
        Grain::Any => "any window".to_owned(),
        grain => format!("windows of a {} or longer", grain.as_str()),
    };
    let measures = kpi.measure_names().join(", ");
    for (label, text) in [
        ("unit", unit),
        ("clock", kpi.clock.as_str()),
        ("kind", kind(kpi)),
        ("parts", &parts),
        ("absent", absent),
        ("windows", kpi.windows()),
        ("grain", &grain),
        ("least n", &least),
        ("measures", &measures),
    ] {
        let _ = writeln!(out, "  {label:<8} {text}");
    }
    let beside = match &*kpi.name {
        "win_rate" => &["deals_closed"][..],
        "cycle_length_mean" => &["cycle_samples"],
        _ => &[],
    };
    for (i, family) in [&*kpi.family].iter().chain(beside).enumerate() {
        let label = if i == 0 { "metrics" } else { "" };
        let _ = writeln!(
            out,
            "  {label:<8} tidemark_overall_{family}{{window}}, tidemark_<grain>_{family}{{<dimensions>,window}}"
        );
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn the_list_and_each_kind_of_kpi_are_shown() {
        insta::assert_snapshot!("kpis_list", list(&Kpis::ALL));
        let shown: Vec<String> =
            ["deals_won", "win_rate", "cohort_conversion_90d", "revenue_growth"]
                .iter()
                .map(|name| show(Kpi::named(name).unwrap()))
                .collect();
        insta::assert_snapshot!("kpis_show", shown.join("\n"));
    }

    #[test]
    fn own_measures_are_listed_and_shown() {
        let text = "[measures.long_calls]\nof = \"activity\"\nat = \"done\"\nsum = \"duration_s\"\n\
                    where = \"\"\"\n  kind = 'call'\n  and outcome is known\"\"\"\n\
                    [measures.wins]\nof = \"deal\"\nat = \"won\"\ndoc = \"All of them.\"\n\
                    [kpis.custom.talk_per_win]\nformula = \"long_calls / wins\"\n";
        let config = Config::from_toml(text, "t.toml", std::iter::empty()).unwrap();
        let (own, kpis) = (config.definition.measures, config.definition.kpis);
        let all: String = own
            .all()
            .iter()
            .map(|m| measures::show(&shown(m, &kpis), Some(m.text().as_str())))
            .collect();
        insta::assert_snapshot!(format!(
            "{}{all}{}",
            list_own(&own),
            pretty(&shown(&own.all()[0], &kpis))
        ));
        assert_eq!(list_own(&OwnMeasures::default()), "");
    }

    #[test]
    fn a_measure_of_the_catalogue_says_what_it_is_and_who_uses_it() {
        let of =
            |name: &str| catalogued(name, &Kpis::ALL).map(|shown| measures::show(&shown, None));
        insta::assert_snapshot!(
            ["cycle_won", "open_priced", "won_amount"].map(|name| of(name).unwrap()).join("\n")
        );
        assert_eq!((of("no_such"), of("own_count")), (None, None));
        // Whatever a KPI says that it is made of can be asked for.
        for kpi in crate::model::kpi::CATALOGUE {
            for name in kpi.measure_names() {
                let told = catalogued(&name, &Kpis::ALL).unwrap_or_else(|| panic!("{name}"));
                assert!(measures::show(&told, None).contains(&*kpi.name), "{name} of {}", kpi.name);
            }
        }
    }

    /// The measures that recipes speak of.
    const MEASURES: &str = "[measures.delivered]\nof = \"touch\"\nat = \"touched\"\nwhere = \"kind = 'delivered'\"\n\
        [measures.csat_points]\nof = \"survey_response\"\nat = \"answered\"\nwhere = \"metric = 'csat'\"\nsum = \"score\"\n\
        [measures.cost]\nof = \"deal\"\nat = \"won\"\nsum = \"x.cost\"\nunit = \"money\"\n\
        [measures.list]\nof = \"deal\"\nat = \"won\"\nsum = \"x.list_price\"\nunit = \"money\"\n";

    #[test]
    fn recipes_are_taken() {
        let mut text = format!("[limits]\nmax_series = 1000000\n{MEASURES}");
        let mut n = 0;
        for untold in &UNTOLD {
            for part in untold.instead.split("formula = \"").skip(1) {
                let formula = part.split('"').next().unwrap();
                text += &format!("[kpis.custom.recipe_{n}]\nformula = \"{formula}\"\n");
                n += 1;
            }
        }
        assert_eq!(n, 9, "{text}");
        let config = Config::from_toml(&text, "t.toml", std::iter::empty());
        assert_eq!(config.unwrap_or_else(|e| panic!("{e}")).definition.kpis.own().len(), n);
    }

    /// A deal is closed on a day; what becomes of a visit is said of the day on which it began.
    #[test]
    fn closings_by_stage_are_complete_when_their_day_is_over() {
        let text = "[kpis.custom.closings]\nformula = \"stage_closed - stage_won\"\n\
                    [kpis.custom.moves]\nformula = \"stage_closed + stage_advanced\"\n\
                    [kpis.custom.booked]\nformula = \"revenue_at_close - spend\"\n\
                    [kpis.custom.lost_since]\nformula = \"revenue - revenue_at_close\"\n";
        let config = Config::from_toml(text, "t.toml", std::iter::empty()).unwrap();
        let ripens = config.definition.kpis.own().iter().map(|kpi| (&*kpi.name, kpi.ripens()));
        assert_eq!(
            ripens.collect::<Vec<_>>(),
            [("booked", false), ("closings", false), ("lost_since", true), ("moves", true)]
        );
        // What was won long ago had longer to be amended.
        let of = |name| Kpis::ALL.kpis().find(|kpi| kpi.name == name).unwrap().ripens();
        assert!(of("amended_revenue") && of("leads_converted") && !of("revenue_at_close"));
    }

    #[test]
    fn a_typo_names_the_nearest() {
        let said = |name: &str| match named(&Kpis::ALL, name) {
            Err(Failure::Config(error)) => error.to_string(),
            other => panic!("{other:?}"),
        };
        assert_eq!(said("winrate"), "there is no KPI \"winrate\": did you mean \"win_rate\"?");
        assert_eq!(said("CAC"), "there is no KPI \"CAC\": write \"customer_acquisition_cost\"");
        assert_eq!(meant(&Kpis::ALL, "CAC").unwrap().name, "customer_acquisition_cost");
        assert_eq!(meant(&Kpis::ALL, "win_rate").unwrap().name, "win_rate");
        let figure = show_figure(figures::named("step_rate").unwrap());
        assert!(figure.contains("advanced / entered") && figure.contains("with entered below 30"));
        assert_eq!(figures_shown(&Kpis::ALL).len(), FIGURES.len());
        assert!(said("bottleneck").starts_with("\"bottleneck\" is no KPI: the funnel tells it"));
        let upsell = said("upsell");
        assert!(
            upsell.contains("is not told: customers are merged")
                && list_untold().contains("upsell")
        );
        assert_eq!(said("x"), "there is no KPI \"x\": `tidemark kpis list` has their names");
        assert!(said("Cross-selling").contains("is not told: a row knows its own segment"));
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
            before: [None; 3],
            age_days: 100,
            followed: Some(crate::model::time::Day(100)),
            working_days: Some(20),
            currency: eur,
        };
        for kpi in crate::model::kpi::CATALOGUE {
            let mut row = crate::export::tests::row();
            row.kpis = vec![(kpi.name.clone(), kpi.unit, kpi.compute(&view))];
            let text = show(kpi);
            samples(&row, &Kpis::ALL, |family, _, _| {
                let told = text.contains(&format!("tidemark_overall_{family}{{window}}"));
                assert!(told || family == "window_complete_ratio", "{family} of {}", kpi.name);
            });
        }
    }
}

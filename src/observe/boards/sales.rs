//! The boards of the sales numbers: all, territories, reps, channels.

use serde_json::Value;

use super::frame::{Board, members, reps, window};
use super::panel::{
    Row, WINDOW, about, bar, bars, drill, folded, lines, number, query, query_named, row, table,
    title_of, unit_of,
};
use crate::model::kpi::{Group, Kpi, Kpis};

/// What the headline tiles show, as far as the job has it, at most [`TILES`] of them.
const HEADLINES: [&str; 9] = [
    "revenue",
    "win_rate",
    "cycle_length_p50",
    "open_pipeline",
    "response_time_p50",
    "deals_created",
    "leads_created",
    "sales_velocity",
    "activities_done",
];
const TILES: usize = 5;
/// What a link carries of the territories that are chosen.
const TERRITORY: &str = "${territory:queryparam}";

/// A KPI of a grain, for the chosen members.
fn of(grain: &str, family: &str) -> String {
    format!(
        "max by ({grain}) (tidemark_{grain}_{family}{{job=\"$job\", window=\"$window\", {grain}=~\"${grain}\"}})"
    )
}

/// A KPI over all segments.
fn overall(family: &str) -> String {
    format!("max(tidemark_overall_{family}{{job=\"$job\", window=\"$window\"}})")
}

/// Those of these names that the job has.
fn known<'k>(kpis: &'k Kpis, names: &[&str]) -> Vec<&'k Kpi> {
    names.iter().filter_map(|name| kpis.kpis().find(|kpi| kpi.name == *name)).collect()
}

pub(super) fn executive(kpis: &Kpis) -> Board {
    let tiles = known(kpis, &HEADLINES).into_iter().take(TILES).map(|kpi| {
        let told = (&*title_of(kpi), &*about(kpi));
        by_part(number(told, unit_of(kpi), (3, 5), vec![query(&overall(&kpi.family), "")]))
    });
    let mut tiles: Vec<Value> = tiles.collect();
    let of_window =
        |family: &str| format!("max by (window) (tidemark_overall_{family}{{job=\"$job\"}})");
    let aim = |suffix: &str| of_window(&format!("won_amount_target_{suffix}"));
    if let [pipeline] = known(kpis, &["open_pipeline"])[..] {
        let told = (
            "Pipeline cover",
            "The open pipeline divided by the target of revenue, for each window that has one. Empty \
             without `[targets]`.",
        );
        let (open, target) = (of_window(&pipeline.family), of_window("won_amount_target"));
        let asked = vec![query(&format!("{open} / ({target} > 0)"), "{{window}}")];
        tiles.push(by_rep(number(told, "percentunit", (3, 5), asked)));
    }
    let told = (
        "Revenue of target",
        "Revenue divided by its target, for each window that has one. Empty without `[targets]`.",
    );
    let asked = vec![query(&aim("attainment_ratio"), "{{window}}")];
    tiles.push(by_rep(number(told, "percentunit", (3, 5), asked)));
    let told = (
        "Pace",
        "Attainment divided by the elapsed share of the working days: 1 lands on target. Empty \
         without `[targets]`.",
    );
    let asked = vec![query(&aim("pace_ratio"), "{{window}}")];
    tiles.push(by_rep(number(told, "percentunit", (3, 5), asked)));
    let trends = known(kpis, &HEADLINES).into_iter().take(4).map(|kpi| {
        let told = (&*title_of(kpi), &*about(kpi));
        let asked = vec![query(&of("territory", &kpi.family), "{{territory}}")];
        let by = lines(told, unit_of(kpi), (12, 8), asked);
        let chosen = "var-territory=${__field.labels.territory}";
        drill(by, "Territory", "tidemark-territory", &[WINDOW, chosen])
    });
    Board {
        uid: "tidemark-executive",
        title: "Tidemark 1: Executive",
        about: "The sales numbers at a glance, and what has drifted.",
        variables: vec![window(), members("territory", "Territory")],
        rows: vec![
            row("", tiles),
            row("By territory", trends.collect()),
            row("What to look at", vec![drifting(), complete()]),
        ],
    }
}

/// With links to what the whole is made of.
fn by_part(whole: Value) -> Value {
    let whole = drill(whole, "By territory", "tidemark-territory", &[WINDOW, TERRITORY]);
    by_rep(drill(whole, "By channel", "tidemark-channel", &[WINDOW]))
}

fn by_rep(whole: Value) -> Value {
    drill(whole, "By rep", "tidemark-rep", &[WINDOW, TERRITORY])
}

fn drifting() -> Value {
    let expr = "max without (instance) ({__name__=~\"tidemark_.+_drift_score\", job=\"$job\"}) \
                and max without (instance) ({__name__=~\"tidemark_.+_drift_state\", job=\"$job\"}) >= 0";
    let told = (
        "Evidence of drift",
        "In thresholds: at 1 an alert is pending or fires, 2 is the most. Empty without `[drift]`.",
    );
    let effect =
        "max without (instance) ({__name__=~\"tidemark_.+_drift_effect_ratio\", job=\"$job\"})";
    let columns = [("Evidence", "none", expr), ("Against the baseline", "percentunit", effect)];
    let evidence = table(told, (16, 9), &columns);
    drill(evidence, "Against the baseline", "tidemark-drift", &[TERRITORY])
}

fn complete() -> Value {
    let told = (
        "How complete the window is",
        "Share of the window that the watermark has passed. Below 1 the numbers still grow.",
    );
    let share =
        number(told, "percentunit", (8, 9), vec![query(&overall("window_complete_ratio"), "")]);
    drill(share, "What holds it up", "tidemark-ops", &[])
}

/// One folded row a group of the catalogue, one panel a KPI, one line a member.
fn catalogue(kpis: &Kpis, grain: &str) -> Vec<Row> {
    let groups: Vec<Group> =
        Group::ALL.iter().map(|(group, _)| *group).chain([Group::Custom]).collect();
    let mut rows = Vec::new();
    for group in groups {
        let panels: Vec<Value> = kpis
            .kpis()
            .filter(|kpi| kpi.group == group)
            .map(|kpi| {
                let told = (&*title_of(kpi), &*about(kpi));
                let asked = vec![query(&of(grain, &kpi.family), &format!("{{{{{grain}}}}}"))];
                lines(told, unit_of(kpi), (8, 7), asked)
            })
            .collect();
        if !panels.is_empty() {
            rows.push(folded(&format!("All of: {}", group.as_str()), panels));
        }
    }
    if kpis.has(Group::Funnel) {
        rows.push(folded("Funnel", funnel(grain)));
    }
    rows
}

/// The funnel of the chosen members, and how each of them does, by stage.
fn funnel(grain: &str) -> Vec<Value> {
    let chosen = format!("{{job=\"$job\", window=\"$window\", {grain}=~\"${grain}\"}}");
    let each =
        |family: &str| format!("max by ({grain}, stage) (tidemark_{grain}_{family}{chosen})");
    // Visits of one window add up over members: each is credited to one.
    let sum = |family: &str| format!("sum by (stage) ({})", each(family));
    let share = |family: &str| format!("{} / {}", sum(family), sum("stage_entered"));
    let (entered, held) = (sum("stage_entered"), sum("stage_held"));
    let (rate, drop) = (share("stage_advanced"), share("stage_lost"));
    let win = format!("{} / ({} > 0)", sum("stage_won"), sum("stage_closed"));
    let told = (
        "Visits of each stage",
        "Of the visits that began in the chosen window: how many, which share advanced or was lost \
         so far, how many go on; and of the deals closed in it that had come to the stage, which share \
         was won. Needs the group `funnel` and a stage table.",
    );
    let columns = [
        ("Entered", "short", &*entered),
        ("Step rate", "percentunit", &*rate),
        ("Drop-off", "percentunit", &*drop),
        ("Still there", "short", &*held),
        ("Won in the end", "percentunit", &*win),
    ];
    let by_stage = |told, unit, family| {
        let legend = format!("{{{{stage}}}}, {{{{{grain}}}}}");
        lines(told, unit, (12, 8), vec![query(&each(family), &legend)])
    };
    let told_drop =
        ("Drop-off by stage", "Lost of entered. A share means little on few visits: see Entered.");
    let told_step =
        ("Step rate by stage", "Advanced of entered. Lately begun visits have not ended yet.");
    let told_days =
        ("Days in stage (median)", "Of the visits that ended. Those that go on are not in it.");
    vec![
        table(told, (12, 8), &columns),
        by_stage(told_drop, "percentunit", "stage_drop_off_ratio"),
        by_stage(told_step, "percentunit", "stage_step_ratio"),
        by_stage(told_days, "s", "stage_p50_seconds"),
    ]
}

/// Columns of a table of members: the KPIs of these names, and how many deals are behind the rate.
fn ranking(kpis: &Kpis, grain: &str, names: &[&str]) -> Vec<(String, &'static str, String)> {
    let mut columns: Vec<(String, &'static str, String)> = Vec::new();
    for kpi in known(kpis, names) {
        columns.push((title_of(kpi), unit_of(kpi), of(grain, &kpi.family)));
        if kpi.name == "win_rate" {
            columns.push(("Deals closed (n)".to_owned(), "short", of(grain, "deals_closed")));
        }
    }
    columns
}

fn ranked(kpis: &Kpis, grain: &str, title: &str, names: &[&str], size: (u64, u64)) -> Value {
    let columns = ranking(kpis, grain, names);
    let columns: Vec<(&str, &str, &str)> =
        columns.iter().map(|(name, unit, expr)| (name.as_str(), *unit, expr.as_str())).collect();
    let told = (
        title,
        "A rate means little on few deals: read it with n. What is undefined is empty, never 0.",
    );
    table(told, size, &columns)
}

const RANKED: [&str; 7] = [
    "revenue",
    "deals_won",
    "win_rate",
    "cycle_length_p50",
    "open_deals",
    "open_pipeline",
    "activities_done",
];

/// Lines of the KPIs of these names, one a member.
fn courses(kpis: &Kpis, grain: &str, names: &[&str]) -> Vec<Value> {
    let one = |kpi: &Kpi| {
        let told = (&*title_of(kpi), &*about(kpi));
        let asked = vec![query(&of(grain, &kpi.family), &format!("{{{{{grain}}}}}"))];
        lines(told, unit_of(kpi), (8, 8), asked)
    };
    known(kpis, names).into_iter().map(one).collect()
}

/// Deals as their events come in, each with the newest one as an exemplar.
fn passing(won: bool) -> Value {
    let (what, about) = match won {
        true => ("won", "Deals that an event was seen to win"),
        false => ("lost", "Deals that an event was seen to lose"),
    };
    let about = format!(
        "{about}, by the time when it came in, whenever that was: corrections take none back. For how \
         many there are see the KPIs. Dots (exemplars) are the newest deals: id, amount and currency."
    );
    let expr = format!(
        "sum by (territory) (increase(tidemark_deals_{what}_total{{job=\"$job\", territory=~\"$territory\"}}[$__rate_interval]))"
    );
    let told = (&*format!("Deals seen to be {what}"), &*about);
    lines(told, "short", (12, 8), vec![query_named(&expr, "{{territory}}")])
}

pub(super) fn territory(kpis: &Kpis) -> Board {
    let chosen = "var-territory=${__data.fields.territory}";
    let list = ranked(kpis, "territory", "Territories", &RANKED, (24, 9));
    let list = drill(list, "Drift of this territory", "tidemark-drift", &[chosen]);
    let shown = courses(kpis, "territory", &["revenue", "win_rate", "cycle_length_p50"]);
    let mut rows = vec![
        row("", vec![by_rep(list)]),
        row("Courses", shown.into_iter().map(by_rep).collect()),
        row("As they come in", vec![passing(true), passing(false)]),
    ];
    rows.extend(catalogue(kpis, "territory"));
    Board {
        uid: "tidemark-territory",
        title: "Tidemark 2: Territories",
        about: "Each territory beside the others, and every KPI of the catalogue.",
        variables: vec![window(), members("territory", "Territory")],
        rows,
    }
}

pub(super) fn rep(kpis: &Kpis) -> Board {
    let aim = |suffix: &str| {
        format!(
            "max by (rep, window) (tidemark_rep_won_amount_target_{suffix}{{job=\"$job\", rep=~\"$rep\"}})"
        )
    };
    let (attainment, pace, needed) =
        (aim("attainment_ratio"), aim("pace_ratio"), aim("required_per_day"));
    let told = (
        "Targets",
        "Of revenue, for each window that has one: share reached, pace against elapsed working \
         days, and what each remaining working day needs. Empty without `[targets]`.",
    );
    let targets = table(
        told,
        (12, 11),
        &[
            ("Of target", "percentunit", &attainment),
            ("Pace", "percentunit", &pace),
            ("Needed a day", "short", &needed),
        ],
    );
    let board = ranked(kpis, "rep", "Leaderboard", &RANKED, (24, 12));
    let revenue = format!("topk(15, {})", of("rep", "won_amount"));
    let told =
        ("Revenue, the first 15", "Bookings in the chosen window, in the reporting currency.");
    let first = bars(told, "short", (12, 11), vec![bar(&revenue, "{{rep}}")]);
    let mut rows = vec![
        row("", vec![board]),
        row("Revenue and targets", vec![first, targets]),
        row(
            "How long deals take",
            courses(kpis, "rep", &["cycle_length_mean", "cycle_length_p50", "cycle_length_p90"]),
        ),
        row(
            "What is open",
            courses(kpis, "rep", &["open_deals", "open_pipeline", "average_open_deal"]),
        ),
    ];
    rows.extend(catalogue(kpis, "rep"));
    Board {
        uid: "tidemark-rep",
        title: "Tidemark 3: Reps",
        about: "Reps beside each other, by the ids that the CRM has, and every KPI of the catalogue. \
                A rep closes few deals: look here when the territory has moved.",
        variables: vec![window(), members("territory", "Territory"), reps()],
        rows,
    }
}

pub(super) fn channel(kpis: &Kpis) -> Board {
    let step = |family: &str, name: &str| {
        // Counts of one window add up over channels: each deal has one.
        bar(&format!("sum({})", of("channel", family)), name)
    };
    let steps: Vec<Value> = known(kpis, &["leads_created", "deals_created", "deals_won"])
        .into_iter()
        .map(|kpi| step(&kpi.family, &title_of(kpi)))
        .collect();
    let told = (
        "From lead to won",
        "Counts of the chosen window and channels. They are of different people: a deal that is won \
         now was created before. `cohort_conversion` follows the same deals.",
    );
    let chosen = "var-channel=${__data.fields.channel}";
    let list = ranked(kpis, "channel", "Channels", &RANKED, (16, 10));
    let list = drill(list, "Drift of this channel", "tidemark-drift", &[chosen]);
    let mut rows = vec![
        row("", vec![bars(told, "short", (8, 10), steps), list]),
        row(
            "Courses",
            courses(kpis, "channel", &["leads_created", "win_rate", "cohort_conversion"]),
        ),
    ];
    rows.extend(catalogue(kpis, "channel"));
    Board {
        uid: "tidemark-channel",
        title: "Tidemark 4: Channels and funnel",
        about: "What each channel brings, from lead to won, and every KPI of the catalogue.",
        variables: vec![window(), members("channel", "Channel")],
        rows,
    }
}

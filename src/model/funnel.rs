//! The funnel: how many visits of each stage there were, and what became of them.
//!
//! A visit is a deal's stay in a stage. Most numbers are of the visits that began in the window, so of
//! each stage `entered = advanced + back + lost + left + held`. What became of them is as of now:
//! visits that began lately have had little time to end. How often deals that came to a stage were won
//! in the end is told of the deals that were closed in the window, as the win rate is.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;

use super::event::Status;
use super::figures::FIGURES;
use super::kpi::{Number, quotient};
use super::measure::{Measure, MeasureKey, Measures};
use super::money::Exact;
use super::quantile::quantile;
use super::row::{json_number, json_string};
use super::stage::{Found, StageIndex, StageTable};

/// The measures that funnels are made of.
pub const MEASURES: [Measure; 7] = [
    Measure::StageEntered,
    Measure::StageAdvanced,
    Measure::StageBack,
    Measure::StageLost,
    Measure::StageLeft,
    Measure::StageWon,
    Measure::StageClosed,
];
/// How visits end: each by how many days they took. Those that have not are what these leave of
/// [`Measure::StageEntered`].
pub const ENDS: [Measure; 4] =
    [Measure::StageAdvanced, Measure::StageBack, Measure::StageLost, Measure::StageLeft];
/// The families of a funnel on `/metrics`, behind the grain; each has a series a stage.
pub const FAMILIES: [&str; 14] = [
    "stage_entered",
    "stage_advanced",
    "stage_back",
    "stage_lost",
    "stage_left",
    "stage_held",
    "stage_won",
    "stage_closed",
    "stage_step_ratio",
    "stage_drop_off_ratio",
    "stage_win_ratio",
    "stage_p50_seconds",
    "stage_p90_seconds",
    "stage_samples",
];
/// With fewer visits a stage is no bottleneck: half the width of the 95 % interval of its drop-off
/// would be 0.16 and more.
const FEWEST: i128 = 30;
/// Longest name of a stage, bytes: label values are cut at 200, and what tells two apart stands behind.
const NAME_BYTES: usize = 190;

/// A stage as funnels show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Number of its row in the stage table.
    pub index: StageIndex,
    /// What it is called where it has to be told from all others: the stage; where the table has it
    /// more than once, with its system and pipeline before it.
    pub name: String,
    /// The stage as its source names it.
    pub stage: String,
    /// The system that its row holds for; empty for any.
    pub system: String,
    /// The pipeline, likewise.
    pub pipeline: String,
    /// How it is shown.
    pub label: Option<String>,
    /// How a deal stands in it.
    pub status: Status,
}

/// The stages of a table in the order of funnels: by system and pipeline, then by order.
pub fn steps(table: &StageTable) -> Vec<Arc<Step>> {
    let mut rows: Vec<_> = table.numbered().collect();
    rows.sort_by_key(|(place, _, found)| (*place, found.rank()));
    let mut often: BTreeMap<&str, usize> = BTreeMap::new();
    rows.iter().for_each(|(_, stage, _)| *often.entry(stage).or_default() += 1);
    let mut taken: BTreeSet<String> = BTreeSet::new();
    let step = |(place, stage, found): &(&(String, String), &str, Found<'_>)| {
        let (system, pipeline) = *place;
        let parts = [system.as_str(), pipeline.as_str(), stage];
        let named = if often[stage] > 1 { &parts[..] } else { &parts[2..] };
        let named: Vec<&str> = named.iter().copied().filter(|part| !part.is_empty()).collect();
        let mut name = named.join("/");
        name.truncate(name.floor_char_boundary(NAME_BYTES));
        while !taken.insert(name.clone()) {
            let _ = write!(name, " ({})", found.index.0);
        }
        Arc::new(Step {
            index: found.index,
            name,
            stage: (*stage).to_owned(),
            system: system.clone(),
            pipeline: pipeline.clone(),
            label: found.stage.label.clone(),
            status: found.stage.status,
        })
    };
    rows.iter().map(step).collect()
}

/// Visits of all stages that go on.
pub fn held(flow: &Measures) -> i128 {
    flow.total(Measure::StageEntered) - ENDS.map(|end| flow.total(end)).iter().sum::<i128>()
}

/// What became of the visits of one stage.
#[derive(Clone, Debug, PartialEq)]
pub struct StageVisits {
    /// Which.
    pub step: Arc<Step>,
    /// Visits that began in the window.
    pub entered: i128,
    /// Of them those that ended with a later stage, or with the deal won.
    pub advanced: i128,
    /// Those that ended with an earlier stage.
    pub back: i128,
    /// Those that ended with the deal lost.
    pub lost: i128,
    /// Those that ended otherwise: with another pipeline, a stage that the table does not know, none.
    pub left: i128,
    /// Those that go on: the deal is still in the stage.
    pub held: i128,
    /// Deals won in the window that had come to the stage. Of stages that mean open.
    pub won: i128,
    /// Deals won or lost in the window, likewise.
    pub closed: i128,
    /// Advanced of entered. Of a stage that means won or lost there is none.
    pub step_rate: Option<Number>,
    /// Lost of entered, likewise.
    pub drop_off: Option<Number>,
    /// Won of closed: how often a deal that came there was won in the end.
    pub win_rate: Option<Number>,
    /// Median of the days that ended visits took.
    pub days_p50: Option<Number>,
    /// Their 90th percentile.
    pub days_p90: Option<Number>,
    /// How many ended.
    pub n: i128,
}

impl StageVisits {
    fn of(flow: &Measures, step: &Arc<Step>) -> StageVisits {
        let [entered, won, closed] =
            [Measure::StageEntered, Measure::StageWon, Measure::StageClosed]
                .map(|m| flow.at(MeasureKey::stage(m, step.index)));
        // By how they ended, and by how many days they took.
        let ends = ENDS.map(|m| flow.of_stage(m, step.index));
        let [advanced, back, lost, left] = ends.clone().map(|days| days.map(|(_, n)| n).sum());
        let mut took: BTreeMap<i64, i128> = BTreeMap::new();
        ends.into_iter().flatten().for_each(|(days, n)| *took.entry(days).or_default() += n);
        let n: i128 = advanced + back + lost + left;
        let of_entered = |n: i128| {
            let open = step.status == Status::Open;
            quotient(Exact::whole(n), Exact::whole(entered), entered).value.filter(|_| open)
        };
        let days = |num, den| quantile(took.iter().map(|(days, n)| (*days, *n)), num, den);
        StageVisits {
            step: step.clone(),
            entered,
            advanced,
            back,
            lost,
            left,
            held: entered - n,
            won,
            closed,
            step_rate: of_entered(advanced),
            drop_off: of_entered(lost),
            win_rate: quotient(Exact::whole(won), Exact::whole(closed), closed).value,
            days_p50: days(1, 2).value,
            days_p90: days(9, 10).value,
            n,
        }
    }

    fn may_be_bottleneck(&self) -> bool {
        self.step.status == Status::Open && self.entered >= FEWEST && self.lost > 0
    }
}

/// The funnel of a row.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Funnel {
    /// The stages of each system and pipeline of which any was entered, or closed deals had come to
    /// any, in their order.
    pub stages: Vec<StageVisits>,
    /// Name of the open stage that loses the greatest share of its visits, of those with 30 or more;
    /// the earliest of several. `None` where none was lost in any such stage.
    pub bottleneck: Option<String>,
}

impl Funnel {
    /// What a window tells of these stages.
    pub fn of(flow: &Measures, steps: &[Arc<Step>]) -> Funnel {
        let mut out = Funnel::default();
        let place =
            |a: &Arc<Step>, b: &Arc<Step>| (&a.system, &a.pipeline) == (&b.system, &b.pipeline);
        for pipeline in steps.chunk_by(place) {
            let stages = pipeline.iter().map(|step| StageVisits::of(flow, step));
            let stages: Vec<_> = stages.collect();
            if stages.iter().any(|stage| (stage.entered, stage.closed) != (0, 0)) {
                out.stages.extend(stages);
            }
        }
        let mut worst: Option<&StageVisits> = None;
        for stage in out.stages.iter().filter(|stage| stage.may_be_bottleneck()) {
            let is_worse =
                |than: &StageVisits| stage.lost * than.entered > than.lost * stage.entered;
            if worst.is_none_or(is_worse) {
                worst = Some(stage);
            }
        }
        out.bottleneck = worst.map(|stage| stage.step.name.clone());
        out
    }

    /// As JSON. Equal contents are equal bytes.
    pub fn to_json(&self) -> String {
        let mut out = String::from("{\"stages\":[");
        for (i, stage) in self.stages.iter().enumerate() {
            out.push_str(if i > 0 { ",{" } else { "{" });
            stage.write(&mut out);
            out.push('}');
        }
        let bottleneck = self.bottleneck.as_deref().map_or("null".to_owned(), json_string);
        let _ = write!(out, "],\"bottleneck\":{bottleneck}}}");
        out
    }
}

impl StageVisits {
    fn write(&self, out: &mut String) {
        let Step { name, stage, system, pipeline, label, status, .. } = &*self.step;
        let status = status.as_str();
        let _ = write!(out, "\"name\":{},\"stage\":{}", json_string(name), json_string(stage));
        for (key, text) in
            [("system", Some(system)), ("pipeline", Some(pipeline)), ("label", label.as_ref())]
        {
            if let Some(text) = text.filter(|text| !text.is_empty()) {
                let _ = write!(out, ",\"{key}\":{}", json_string(text));
            }
        }
        let _ = write!(out, ",\"status\":\"{status}\"");
        for (key, n) in self.counts() {
            let _ = write!(out, ",\"{key}\":{n}");
        }
        for (figure, (number, _)) in FIGURES.iter().zip(self.figures()) {
            let _ = write!(out, ",\"{}\":{}", figure.name, json_number(number));
        }
        let _ = write!(out, ",\"n\":{}", self.n);
        for (i, name) in self.low_n().enumerate() {
            let _ = write!(out, "{}\"{name}\"", if i == 0 { ",\"low_n\":[" } else { "," });
        }
        if self.low_n().next().is_some() {
            out.push(']');
        }
    }

    /// What [`FIGURES`] are here, and of how many.
    fn figures(&self) -> [(Option<Number>, i128); FIGURES.len()] {
        [
            (self.step_rate, self.entered),
            (self.drop_off, self.entered),
            (self.win_rate, self.closed),
            (self.days_p50, self.n),
            (self.days_p90, self.n),
        ]
    }

    /// Those that are of too few to mean much.
    pub fn low_n(&self) -> impl Iterator<Item = &'static str> {
        let all = FIGURES.iter().zip(self.figures());
        let few = all.filter(|(figure, (number, n))| number.is_some() && *n < figure.min_n.into());
        few.map(|(figure, _)| figure.name)
    }

    /// The counts by their names.
    pub fn counts(&self) -> [(&'static str, i128); 8] {
        [
            ("entered", self.entered),
            ("advanced", self.advanced),
            ("back", self.back),
            ("lost", self.lost),
            ("left", self.left),
            ("held", self.held),
            ("won", self.won),
            ("closed", self.closed),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::super::stage::Stage;
    use super::*;

    fn table(rows: &[(&str, &str, &str, Status, Option<u32>)]) -> StageTable {
        let mut out = StageTable::default();
        for (system, pipeline, stage, status, order) in rows {
            let place = ((*system).to_owned(), (*pipeline).to_owned());
            out.insert(place, stage, Stage { order: *order, ..Stage::of(*status) });
        }
        out
    }

    fn names(rows: &[(&str, &str, &str, Status, Option<u32>)]) -> Vec<String> {
        steps(&table(rows)).iter().map(|step| step.name.clone()).collect()
    }

    #[test]
    fn stages_stand_by_pipeline_and_order_and_no_two_have_one_name() {
        let open = Status::Open;
        let rows = [
            ("hubspot", "b", "talk", open, Some(1)),
            ("hubspot", "a", "offer", open, None),
            ("hubspot", "a", "talk", open, Some(7)),
            ("", "", "talk", open, None),
            ("", "hubspot/a", "talk", open, None),
        ];
        assert_eq!(
            names(&rows),
            ["talk", "hubspot/a/talk", "hubspot/a/talk (2)", "offer", "hubspot/b/talk"]
        );
        for long in ["x".repeat(230), "東".repeat(70)] {
            let alike = [long.clone() + "a", long + "b"];
            let rows = alike.each_ref().map(|name| ("", "", name.as_str(), open, None));
            let cut = names(&rows);
            // A label has 200 bytes.
            assert!(cut[0] != cut[1] && cut.iter().all(|name| name.len() <= 200), "{cut:?}");
        }
    }

    /// Entered, lost, of each open stage; the rest is held.
    fn of(stages: &[(i128, i128)], status: Status) -> Funnel {
        let names: Vec<String> = (0..stages.len()).map(|i| format!("s{i}")).collect();
        let rows: Vec<_> = names.iter().map(|n| ("", "", n.as_str(), status, None)).collect();
        let at = |m, i| MeasureKey::stage(m, StageIndex(i));
        let flow: Measures = (0..)
            .zip(stages)
            .flat_map(|(i, (entered, lost))| {
                let ended = MeasureKey::stage_days(Measure::StageLost, StageIndex(i), 1);
                [(at(Measure::StageEntered, i), *entered), (ended, *lost)]
            })
            .collect();
        Funnel::of(&flow, &steps(&table(&rows)))
    }

    #[test]
    fn the_bottleneck_is_the_first_of_those_that_lose_most_of_enough_visits() {
        let worst = |stages: &[_]| of(stages, Status::Open).bottleneck;
        assert_eq!(worst(&[(100, 10), (60, 12), (30, 6)]).as_deref(), Some("s1"));
        assert_eq!(worst(&[(100, 10), (29, 29)]).as_deref(), Some("s0"), "29 are too few");
        assert_eq!(worst(&[(100, 10), (30, 30)]).as_deref(), Some("s1"));
        assert_eq!(worst(&[(100, 0), (29, 29)]), None, "nothing was lost");
        assert_eq!(of(&[(100, 50)], Status::Won).bottleneck, None, "a stage that closes");
    }

    #[test]
    fn rates_are_of_what_was_entered_and_absent_where_they_mean_nothing() {
        let funnel = of(&[(8, 2), (0, 0)], Status::Open);
        let [first, second] = &funnel.stages[..] else { panic!("{funnel:?}") };
        assert_eq!(
            (first.drop_off, first.step_rate),
            (Some(Number::Float(0.25)), Some(Number::Float(0.0)))
        );
        assert_eq!((second.drop_off, second.step_rate, second.days_p50), (None, None, None));
        let won = of(&[(8, 2)], Status::Won);
        assert_eq!((won.stages[0].entered, won.stages[0].drop_off), (8, None));
        assert_eq!(of(&[(0, 0)], Status::Open), Funnel::default(), "nothing was entered");
    }

    #[test]
    fn a_funnel_is_json_with_its_rows_of_the_table() {
        let label = Some("A \"talk\"".to_owned());
        let mut stages = StageTable::default();
        let place = ("hubspot".to_owned(), "sales".to_owned());
        stages.insert(place, "talk", Stage { label, ..Stage::of(Status::Open) });
        let at = |m| MeasureKey::stage(m, StageIndex(0));
        let mut flow: Measures = [(at(Measure::StageEntered), 40)].into_iter().collect();
        for (how, days, n) in [
            (Measure::StageLost, 2, 17),
            (Measure::StageLost, 5, 13),
            (Measure::StageAdvanced, 2, 4),
            (Measure::StageLeft, 9, 1),
        ] {
            flow.add(MeasureKey::stage_days(how, StageIndex(0), days), n);
        }
        flow.add(at(Measure::StageWon), 3);
        flow.add(at(Measure::StageClosed), 30);
        assert_eq!(
            Funnel::of(&flow, &steps(&stages)).to_json(),
            "{\"stages\":[{\"name\":\"talk\",\"stage\":\"talk\",\"system\":\"hubspot\",\
             \"pipeline\":\"sales\",\"label\":\"A \\\"talk\\\"\",\"status\":\"open\",\"entered\":40,\
             \"advanced\":4,\"back\":0,\"lost\":30,\"left\":1,\"held\":5,\"won\":3,\"closed\":30,\
             \"step_rate\":0.1,\"drop_off\":0.75,\"win_rate\":0.1,\"days_p50\":2.0,\"days_p90\":5.0,\"n\":35}],\"bottleneck\":\"talk\"}"
        );
        // 29 deals closed, 9 visits ended.
        flow.add(at(Measure::StageClosed), -1);
        flow.add(MeasureKey::stage_days(Measure::StageLost, StageIndex(0), 5), -13);
        flow.add(MeasureKey::stage_days(Measure::StageLost, StageIndex(0), 2), -13);
        let few = Funnel::of(&flow, &steps(&stages));
        let low: Vec<&str> = few.stages[0].low_n().collect();
        assert_eq!(low, ["win_rate", "days_p50", "days_p90"]);
        assert!(few.to_json().contains(",\"low_n\":[\"win_rate\",\"days_p50\",\"days_p90\"]}"));
    }
}

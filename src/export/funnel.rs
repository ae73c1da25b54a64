//! The funnel of a published row, read back, and as columns.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::read::{NoRow, no_number};
use super::table::{Cell, Kind};
use crate::model::event::Status;
use crate::model::funnel::{Funnel, StageVisits, Step};
use crate::model::kpi::Number;
use crate::model::stage::StageIndex;

/// What a column shows of a stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Figure {
    Name,
    Stage,
    System,
    Pipeline,
    Label,
    Status,
    Bottleneck,
    /// The count of that name.
    Count(&'static str),
    StepRate,
    DropOff,
    WinRate,
    DaysP50,
    DaysP90,
    N,
}

/// The columns of a stage, with what their cells are.
pub(super) const COLUMNS: [(&str, Kind, Figure); 21] = [
    ("funnel_name", Kind::Text, Figure::Name),
    ("funnel_stage", Kind::Text, Figure::Stage),
    ("funnel_system", Kind::Text, Figure::System),
    ("funnel_pipeline", Kind::Text, Figure::Pipeline),
    ("funnel_label", Kind::Text, Figure::Label),
    ("funnel_status", Kind::Text, Figure::Status),
    ("bottleneck", Kind::Flag, Figure::Bottleneck),
    ("entered", Kind::Whole, Figure::Count("entered")),
    ("advanced", Kind::Whole, Figure::Count("advanced")),
    ("back", Kind::Whole, Figure::Count("back")),
    ("lost", Kind::Whole, Figure::Count("lost")),
    ("left", Kind::Whole, Figure::Count("left")),
    ("held", Kind::Whole, Figure::Count("held")),
    ("won", Kind::Whole, Figure::Count("won")),
    ("closed", Kind::Whole, Figure::Count("closed")),
    ("step_rate", Kind::Real, Figure::StepRate),
    ("drop_off", Kind::Real, Figure::DropOff),
    ("win_rate", Kind::Real, Figure::WinRate),
    ("days_p50", Kind::Real, Figure::DaysP50),
    ("days_p90", Kind::Real, Figure::DaysP90),
    ("n", Kind::Whole, Figure::N),
];

impl Figure {
    /// Its cell; the bottleneck of the funnel is known by its name.
    pub(super) fn cell<'r>(self, of: &'r StageVisits, worst: Option<&str>) -> Cell<'r> {
        let text = |text: &'r str| match text {
            "" => Cell::Absent,
            text => Cell::Text(text.into()),
        };
        let number = |number: Option<Number>| match number {
            Some(Number::Float(number)) => Cell::Real(number),
            Some(Number::Exact(number)) => Cell::Real(number.to_f64()),
            None => Cell::Absent,
        };
        let count = |name| of.counts().into_iter().find(|(known, _)| *known == name);
        match self {
            Figure::Name => text(&of.step.name),
            Figure::Stage => text(&of.step.stage),
            Figure::System => text(&of.step.system),
            Figure::Pipeline => text(&of.step.pipeline),
            Figure::Label => text(of.step.label.as_deref().unwrap_or_default()),
            Figure::Status => text(of.step.status.as_str()),
            Figure::Bottleneck => Cell::Flag(worst == Some(&of.step.name)),
            Figure::Count(name) => count(name).map_or(Cell::Absent, |(_, n)| Cell::Whole(n)),
            Figure::StepRate => number(of.step_rate),
            Figure::DropOff => number(of.drop_off),
            Figure::WinRate => number(of.win_rate),
            Figure::DaysP50 => number(of.days_p50),
            Figure::DaysP90 => number(of.days_p90),
            Figure::N => Cell::Whole(of.n),
        }
    }
}

/// As published.
#[derive(Deserialize)]
pub(super) struct Shown<'a> {
    #[serde(borrow)]
    stages: Vec<Stage<'a>>,
    bottleneck: Option<String>,
}

#[derive(Deserialize)]
struct Stage<'a> {
    name: String,
    stage: String,
    #[serde(default)]
    system: String,
    #[serde(default)]
    pipeline: String,
    label: Option<String>,
    status: String,
    entered: i64,
    advanced: i64,
    back: i64,
    lost: i64,
    left: i64,
    held: i64,
    #[serde(default)]
    won: i64,
    #[serde(default)]
    closed: i64,
    #[serde(borrow)]
    step_rate: Option<&'a RawValue>,
    #[serde(borrow)]
    drop_off: Option<&'a RawValue>,
    #[serde(borrow)]
    win_rate: Option<&'a RawValue>,
    #[serde(borrow)]
    days_p50: Option<&'a RawValue>,
    #[serde(borrow)]
    days_p90: Option<&'a RawValue>,
    n: i64,
}

impl Shown<'_> {
    /// As rows have it.
    pub fn funnel(self) -> Result<Funnel, NoRow> {
        let stages = (0..).zip(self.stages).map(|(i, stage)| stage.visits(StageIndex(i)));
        Ok(Funnel { stages: stages.collect::<Result<_, _>>()?, bottleneck: self.bottleneck })
    }
}

impl Stage<'_> {
    fn visits(self, index: StageIndex) -> Result<StageVisits, NoRow> {
        let number = |raw: Option<&RawValue>| {
            let Some(raw) = raw else { return Ok(None) };
            let float = raw.get().parse().map_err(|_| no_number("funnel".into(), raw))?;
            Ok::<_, NoRow>(Some(Number::Float(float)))
        };
        Ok(StageVisits {
            entered: self.entered.into(),
            advanced: self.advanced.into(),
            back: self.back.into(),
            lost: self.lost.into(),
            left: self.left.into(),
            held: self.held.into(),
            won: self.won.into(),
            closed: self.closed.into(),
            step_rate: number(self.step_rate)?,
            drop_off: number(self.drop_off)?,
            win_rate: number(self.win_rate)?,
            days_p50: number(self.days_p50)?,
            days_p90: number(self.days_p90)?,
            n: self.n.into(),
            step: Arc::new(Step {
                index,
                name: self.name,
                stage: self.stage,
                system: self.system,
                pipeline: self.pipeline,
                label: self.label,
                status: Status::parse(&self.status).unwrap_or(Status::Open),
            }),
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::export::{openmetrics, read::row_of, tests::row};
    use crate::model::definition::{Stage, StageTable};
    use crate::model::event::Status;
    use crate::model::funnel::{Funnel, steps};
    use crate::model::kpi::Kpis;
    use crate::model::measure::{Measure, MeasureKey, Measures};
    use crate::model::stage::StageIndex;

    #[test]
    fn a_funnel_is_read_back_and_written_as_families_unless_kpis_were_named() {
        let mut stages = StageTable::default();
        let label = Some("First \"talk\"".to_owned());
        let place = ("hubspot".to_owned(), "sales".to_owned());
        stages.insert(place.clone(), "talk", Stage { label, ..Stage::of(Status::Open) });
        stages.insert(place, "won", Stage::of(Status::Won));
        let at = |m| MeasureKey::stage(m, StageIndex(0));
        let lost = MeasureKey::stage_days(Measure::StageLost, StageIndex(0), 3);
        let flow: Measures = [(at(Measure::StageEntered), 3), (lost, 1)]
            .into_iter()
            .chain([(at(Measure::StageWon), 1), (at(Measure::StageClosed), 2)])
            .collect();
        let mut row = row();
        row.funnel = Some(Funnel::of(&flow, &steps(&stages)));
        let read = row_of(&row.to_json(), &Kpis::ALL).unwrap();
        assert_eq!(read.funnel, row.funnel);
        assert_eq!(read.to_json(), row.to_json());

        let text = |kpis: usize| {
            let chosen: Vec<_> = Kpis::ALL.kpis().take(kpis).cloned().collect();
            let mut out = Vec::new();
            openmetrics::write([&read], &chosen, &Kpis::ALL, &mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        let all = text(usize::MAX);
        for told in ["_stage_entered{", "_stage_lost{", "_stage_win_ratio{", "_stage_p50_seconds{"]
        {
            let line = all.lines().find(|line| line.contains(told)).unwrap_or_default();
            assert!(line.contains("stage=\"talk\"}"), "{told} in {all}");
        }
        assert!(!text(0).contains("_stage_"), "other KPIs were named");
    }
}

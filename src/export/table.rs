//! Rows as a table: which columns there are, and what stands in each cell.

use std::borrow::Cow;
use std::fmt::Write as _;

use super::funnel::{self, Figure};
use crate::http::Members;
use crate::model::funnel::StageVisits;
use crate::model::kpi::{Kpi, KpiValue, Number, Unit};
use crate::model::money::Exact;
use crate::model::row::Row;
use crate::model::target::{Aim, Standing};
use crate::model::time::Timestamp;

/// How KPIs are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// A line a row, with columns for each KPI.
    Wide,
    /// A line a row and KPI.
    Long,
    /// A line a row and stage of its funnel, without KPIs.
    Funnel,
}

/// What is shown of a KPI beside its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parts {
    /// Numerator, denominator, sample size, amounts in other currencies.
    All,
    /// Nothing.
    None,
}

/// What the cells of a column are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Text.
    Text,
    /// Instants.
    Instant,
    /// True or false.
    Flag,
    /// Whole numbers.
    Whole,
    /// Exact decimals, 12 decimals at most.
    Exact,
    /// Quotients: the nearest float.
    Real,
    /// Either of the two before, as the KPI of the line has it.
    Number,
}

/// One cell.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell<'a> {
    /// Nothing: it does not apply, or is undefined.
    Absent,
    /// A text that may come from a source.
    Text(Cow<'a, str>),
    /// An instant.
    Instant(Timestamp),
    /// True or false.
    Flag(bool),
    /// A whole number.
    Whole(i128),
    /// An exact decimal.
    Exact(Exact),
    /// A quotient.
    Real(f64),
}

/// A column.
#[derive(Clone, Debug)]
pub struct Column {
    /// Its head.
    pub name: String,
    /// What its cells are.
    pub kind: Kind,
    /// What its numbers are counted in, where they are a KPI's.
    pub unit: Option<Unit>,
    of: Shows,
}

/// What a column shows.
#[derive(Clone, Debug)]
enum Shows {
    WindowKind,
    WindowStart,
    WindowEnd,
    Zone,
    Grain,
    Dimension(String),
    Status,
    Revision,
    AsOf,
    CompleteRatio,
    Incomplete,
    Currency,
    /// A part of one KPI, or in the long layout of the KPI of the line.
    Kpi(Option<Kpi>, Part),
    KpiName,
    KpiUnit,
    /// How one KPI, or that of the line, stands against a target or benchmark.
    Goal(Option<Kpi>, Aim, GoalPart),
    /// A part of the stage of the line.
    Stage(Figure),
    /// How the members of the segment are called.
    Name,
}

/// What a line is of beside its row.
#[derive(Clone, Copy)]
enum Line<'r> {
    Row,
    Kpi(&'r Kpi),
    /// With the name of the bottleneck of its funnel.
    Stage(&'r StageVisits, Option<&'r str>),
}

impl<'r> Line<'r> {
    fn kpi(self) -> Option<&'r Kpi> {
        match self {
            Line::Kpi(kpi) => Some(kpi),
            _ => None,
        }
    }
}

/// The last column.
const NAME: &str = "name";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum GoalPart {
    Value,
    Gap,
    Attainment,
    Pace,
    RequiredPerDay,
}

impl GoalPart {
    /// What there is of a target and of a benchmark, with the end of the column's name.
    fn of(aim: Aim) -> &'static [(&'static str, GoalPart)] {
        match aim {
            Aim::Target => &[
                ("target", GoalPart::Value),
                ("target_gap", GoalPart::Gap),
                ("attainment", GoalPart::Attainment),
                ("pace", GoalPart::Pace),
                ("required_per_day", GoalPart::RequiredPerDay),
            ],
            Aim::Benchmark => &[
                ("benchmark", GoalPart::Value),
                ("benchmark_gap", GoalPart::Gap),
                ("benchmark_share", GoalPart::Attainment),
            ],
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Value,
    /// The value where it is exact.
    Exact,
    Num,
    Den,
    N,
    Unconverted,
}

/// Columns, and the lines of rows under them.
#[derive(Clone, Debug)]
pub struct Table {
    columns: Vec<Column>,
    kpis: Vec<Kpi>,
    layout: Layout,
    members: Members,
}

impl Table {
    /// The table of these dimensions and KPIs.
    pub fn new(dimensions: &[String], kpis: Vec<Kpi>, layout: Layout, parts: Parts) -> Table {
        let figures = match layout {
            Layout::Wide => kpis.iter().flat_map(|kpi| wide(kpi, parts)).collect(),
            Layout::Long => long(parts),
            Layout::Funnel => {
                let stage = |(name, kind, figure)| column(name, kind, Shows::Stage(figure));
                funnel::COLUMNS.into_iter().map(stage).collect()
            }
        };
        let (before, after) = head();
        let named = before.iter().chain(&after).chain(&figures).map(|c| c.name.clone());
        let taken: Vec<String> = named.chain([NAME.to_owned()]).collect();
        let mut columns = before;
        for dimension in dimensions {
            // A dimension may be called as a column of ours.
            let mut name = dimension.clone();
            while taken.contains(&name) || columns.iter().any(|c| c.name == name) {
                name = format!("segment_{name}");
            }
            columns.push(column(name, Kind::Text, Shows::Dimension(dimension.clone())));
        }
        columns.extend(after);
        columns.extend(figures);
        Table { columns, kpis, layout, members: Members::default() }
    }

    /// The same with columns behind the others for targets and benchmarks of these KPIs.
    pub fn with_goals(mut self, goals: &[(Aim, Kpi)]) -> Table {
        for aim in [Aim::Target, Aim::Benchmark] {
            let own = |kpi: &&Kpi| goals.iter().any(|(a, k)| *a == aim && k.name == kpi.name);
            let kpis: Vec<Kpi> = self.kpis.iter().filter(own).cloned().collect();
            let each: Vec<Option<Kpi>> = match self.layout {
                Layout::Wide => kpis.into_iter().map(Some).collect(),
                Layout::Long if kpis.is_empty() => Vec::new(),
                Layout::Long => vec![None],
                Layout::Funnel => Vec::new(),
            };
            self.columns.extend(each.into_iter().flat_map(|kpi| goal_columns(kpi, aim)));
        }
        self
    }

    /// The same with a last column for what the members of a row's segment are called.
    pub fn with_names(mut self, members: Members) -> Table {
        self.columns.push(column(NAME, Kind::Text, Shows::Name));
        self.members = members;
        self
    }

    /// The columns, from left to right.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The KPIs.
    pub fn kpis(&self) -> &[Kpi] {
        &self.kpis
    }

    /// Calls `line` with the cells of each line of a row.
    pub fn lines<'r, E>(
        &'r self,
        row: &'r Row,
        mut line: impl FnMut(&[Cell<'r>]) -> Result<(), E>,
    ) -> Result<(), E> {
        let name = self.members.label(&row.segment);
        let cells = |line: Line<'r>| -> Vec<Cell<'r>> {
            let cell = |column: &'r Column| match column.of {
                Shows::Name => name.clone().map_or(Cell::Absent, |name| Cell::Text(name.into())),
                _ => column.cell(row, line),
            };
            self.columns.iter().map(cell).collect()
        };
        match self.layout {
            Layout::Wide => line(&cells(Line::Row)),
            Layout::Long => {
                let has = |kpi: &&Kpi| figure(row, kpi).is_some();
                self.kpis.iter().filter(has).try_for_each(|kpi| line(&cells(Line::Kpi(kpi))))
            }
            Layout::Funnel => row.funnel.iter().try_for_each(|funnel| {
                let worst = funnel.bottleneck.as_deref();
                let mut stages = funnel.stages.iter();
                stages.try_for_each(|stage| line(&cells(Line::Stage(stage, worst))))
            }),
        }
    }
}

fn column(name: impl Into<String>, kind: Kind, of: Shows) -> Column {
    Column { name: name.into(), kind, unit: None, of }
}

/// The columns of a KPI's target or benchmark.
fn goal_columns(kpi: Option<Kpi>, aim: Aim) -> impl Iterator<Item = Column> {
    GoalPart::of(aim).iter().map(move |(name, part)| {
        let kind = match part {
            GoalPart::Value => Kind::Exact,
            GoalPart::Gap if kpi.is_none() => Kind::Number,
            GoalPart::Gap if kpi.as_ref().is_some_and(Kpi::is_exact) => Kind::Exact,
            _ => Kind::Real,
        };
        let unit = match part {
            GoalPart::Attainment | GoalPart::Pace => Some(Unit::Ratio),
            _ => kpi.as_ref().map(|kpi| kpi.unit),
        };
        let name = kpi.as_ref().map_or((*name).to_owned(), |kpi| format!("{}_{name}", kpi.name));
        Column { name, kind, unit, of: Shows::Goal(kpi.clone(), aim, *part) }
    })
}

fn goal<'a>(standing: &Standing, part: GoalPart) -> Cell<'a> {
    let float = |number: Option<f64>| number.map_or(Cell::Absent, real);
    match (part, standing.gap) {
        (GoalPart::Value, _) => Cell::Exact(standing.value),
        (GoalPart::Gap, Some(Number::Exact(exact))) => Cell::Exact(exact),
        (GoalPart::Gap, Some(Number::Float(number))) => real(number),
        (GoalPart::Gap, None) => Cell::Absent,
        (GoalPart::Attainment, _) => float(standing.attainment),
        (GoalPart::Pace, _) => float(standing.pace),
        (GoalPart::RequiredPerDay, _) => float(standing.required_per_day),
    }
}

/// The columns before and behind the dimensions.
fn head() -> (Vec<Column>, Vec<Column>) {
    let before = vec![
        column("window_kind", Kind::Text, Shows::WindowKind),
        column("window_start", Kind::Instant, Shows::WindowStart),
        column("window_end", Kind::Instant, Shows::WindowEnd),
        column("zone", Kind::Text, Shows::Zone),
        column("grain", Kind::Text, Shows::Grain),
    ];
    let after = vec![
        column("status", Kind::Text, Shows::Status),
        column("revision", Kind::Whole, Shows::Revision),
        column("as_of", Kind::Instant, Shows::AsOf),
        column("complete_ratio", Kind::Real, Shows::CompleteRatio),
        column("incomplete", Kind::Flag, Shows::Incomplete),
        column("currency", Kind::Text, Shows::Currency),
    ];
    (before, after)
}

/// The columns of one KPI: only parts that it can have.
fn wide(kpi: &Kpi, parts: Parts) -> Vec<Column> {
    let one = |suffix: &str, unit: Unit, part| {
        let kind = match (part, unit) {
            (Part::Value, _) if !kpi.is_exact() => Kind::Real,
            (Part::Unconverted, _) => Kind::Text,
            (_, Unit::Money) => Kind::Exact,
            _ if kpi.is_decimal() && part != Part::N => Kind::Exact,
            _ => Kind::Whole,
        };
        let name = format!("{}{suffix}", kpi.name);
        Column { name, kind, unit: Some(unit), of: Shows::Kpi(Some(kpi.clone()), part) }
    };
    let mut out = vec![one("", kpi.unit, Part::Value)];
    if parts == Parts::None {
        return out;
    }
    if let Some((num, den)) = kpi.parts() {
        out.push(one("_num", num, Part::Num));
        out.push(one("_den", den, Part::Den));
    }
    // A count is its own sample size.
    // What may come in parts of one is behind so many things, and not itself their number.
    if !(kpi.is_exact() && kpi.unit == Unit::Count) || kpi.is_decimal() {
        out.push(one("_n", Unit::Count, Part::N));
    }
    if kpi.is_exact() && kpi.unit == Unit::Money {
        out.push(one("_unconverted", Unit::Money, Part::Unconverted));
    }
    out
}

fn long(parts: Parts) -> Vec<Column> {
    let of = |part| Shows::Kpi(None, part);
    let mut out = vec![
        column("kpi", Kind::Text, Shows::KpiName),
        column("unit", Kind::Text, Shows::KpiUnit),
        column("value", Kind::Number, of(Part::Value)),
        column("value_exact", Kind::Exact, of(Part::Exact)),
    ];
    if parts == Parts::All {
        out.extend([
            column("num", Kind::Exact, of(Part::Num)),
            column("den", Kind::Exact, of(Part::Den)),
            column("n", Kind::Whole, of(Part::N)),
            column("unconverted", Kind::Text, of(Part::Unconverted)),
        ]);
    }
    out
}

fn figure<'r>(row: &'r Row, kpi: &Kpi) -> Option<&'r KpiValue> {
    row.kpis.iter().find(|(name, ..)| *name == kpi.name).map(|(_, _, value)| value)
}

impl Column {
    fn cell<'r>(&'r self, row: &'r Row, line: Line<'r>) -> Cell<'r> {
        match &self.of {
            Shows::WindowKind => Cell::Text(row.kind.name().into()),
            Shows::WindowStart => Cell::Instant(row.start),
            Shows::WindowEnd => Cell::Instant(row.end),
            Shows::Zone => Cell::Text(row.zone.as_str().into()),
            Shows::Grain => Cell::Text(row.segment.grain().into()),
            Shows::Dimension(name) => text(row.segment.value(name)),
            Shows::Status => Cell::Text(row.pane.as_str().into()),
            Shows::Revision => Cell::Whole(row.revision.into()),
            Shows::AsOf => row.as_of.map_or(Cell::Absent, Cell::Instant),
            Shows::CompleteRatio => real(row.complete_ratio),
            Shows::Incomplete => Cell::Flag(row.incomplete),
            Shows::Currency => Cell::Text(row.currency.to_string().into()),
            Shows::KpiName => text(line.kpi().map(|kpi| &*kpi.name)),
            Shows::KpiUnit => text(line.kpi().map(|kpi| kpi.unit.as_str())),
            Shows::Goal(own, aim, part) => {
                let of =
                    |kpi: &Kpi| row.targets.iter().find(|s| s.aim == *aim && s.kpi == kpi.name);
                let found = own.as_ref().or(line.kpi()).and_then(of);
                found.map_or(Cell::Absent, |standing| goal(standing, *part))
            }
            Shows::Kpi(own, part) => {
                let found = own.as_ref().or(line.kpi()).and_then(|kpi| figure(row, kpi));
                found.map_or(Cell::Absent, |value| self.figure(*part, value))
            }
            Shows::Stage(figure) => match line {
                Line::Stage(stage, worst) => figure.cell(stage, worst),
                _ => Cell::Absent,
            },
            // Of all columns together: it is of the table.
            Shows::Name => Cell::Absent,
        }
    }

    fn figure<'r>(&self, part: Part, kpi: &KpiValue) -> Cell<'r> {
        let exact = |number: Exact| match self.kind {
            Kind::Whole => number.to_whole().map_or(Cell::Absent, Cell::Whole),
            _ => Cell::Exact(number),
        };
        match (part, kpi.value) {
            (Part::Value | Part::Exact, Some(Number::Exact(number))) => exact(number),
            (Part::Value, Some(Number::Float(number))) => real(number),
            (Part::Value | Part::Exact, _) => Cell::Absent,
            (Part::Num, _) => kpi.num.map_or(Cell::Absent, exact),
            (Part::Den, _) => kpi.den.map_or(Cell::Absent, exact),
            (Part::N, _) => Cell::Whole(kpi.n),
            (Part::Unconverted, _) => unconverted(kpi),
        }
    }
}

fn text(value: Option<&str>) -> Cell<'_> {
    value.map_or(Cell::Absent, |value| Cell::Text(value.into()))
}

fn real<'a>(number: f64) -> Cell<'a> {
    if number.is_finite() { Cell::Real(number) } else { Cell::Absent }
}

/// `GBP 3.5; USD 120`.
fn unconverted<'a>(kpi: &KpiValue) -> Cell<'a> {
    if kpi.unconverted.is_empty() {
        return Cell::Absent;
    }
    let mut out = String::new();
    for (currency, sum) in &kpi.unconverted {
        let _ = write!(out, "{}{currency} {sum}", if out.is_empty() { "" } else { "; " });
    }
    Cell::Text(out.into())
}

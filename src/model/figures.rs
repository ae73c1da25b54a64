//! What the funnel tells of each stage beside its counts, declared once: lists, pages and marks of few
//! cases come from here.

use super::kpi::{Clock, Unit};

/// A number of each stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Figure {
    /// Its name in the stages of rows.
    pub name: &'static str,
    /// Suffix of the Prometheus family, behind `tidemark_<grain>_`, with the label `stage`.
    pub family: &'static str,
    /// Unit.
    pub unit: Unit,
    /// Clock.
    pub clock: Clock,
    /// Whether it moves before revenue does.
    pub leading: bool,
    /// The formula in words.
    pub formula: &'static str,
    /// Where it is absent, in words.
    pub absent: &'static str,
    /// The count of the stage that it is of.
    pub of: &'static str,
    /// With fewer of these it is named in `low_n` of the stage.
    pub min_n: u32,
}

const ENTERED: &str = "where nothing was entered, and of stages that mean won or lost";
const ENDED: &str = "where no visit has ended";

/// All of them, in the order of rows.
pub const FIGURES: [Figure; 5] = [
    Figure {
        name: "step_rate",
        family: "stage_step_ratio",
        unit: Unit::Ratio,
        clock: Clock::CohortSoFar,
        leading: true,
        formula: "advanced / entered, of the visits that began in the window",
        absent: ENTERED,
        of: "entered",
        min_n: 30,
    },
    Figure {
        name: "drop_off",
        family: "stage_drop_off_ratio",
        unit: Unit::Ratio,
        clock: Clock::CohortSoFar,
        leading: true,
        formula: "lost / entered, of the visits that began in the window",
        absent: ENTERED,
        of: "entered",
        min_n: 30,
    },
    Figure {
        name: "win_rate",
        family: "stage_win_ratio",
        unit: Unit::Ratio,
        clock: Clock::ClosedBasis,
        leading: false,
        formula: "won / closed, of the deals closed in the window that had come to the stage",
        absent: "where none was closed that had come to the stage",
        of: "closed",
        min_n: 30,
    },
    Figure {
        name: "days_p50",
        family: "stage_p50_seconds",
        unit: Unit::Days,
        clock: Clock::CohortSoFar,
        leading: true,
        formula: "median of the civil days of the visits that began in the window and ended",
        absent: ENDED,
        of: "n",
        min_n: 10,
    },
    Figure {
        name: "days_p90",
        family: "stage_p90_seconds",
        unit: Unit::Days,
        clock: Clock::CohortSoFar,
        leading: true,
        formula: "90th percentile of the same days",
        absent: ENDED,
        of: "n",
        min_n: 30,
    },
];

/// The one of a name, whatever its case, with `-` and spaces for `_`.
pub fn named(name: &str) -> Option<&'static Figure> {
    let plain = name.trim().to_ascii_lowercase().replace(['-', ' '], "_");
    FIGURES.iter().find(|figure| figure.name == plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::funnel::FAMILIES;

    #[test]
    fn each_figure_has_a_family() {
        for figure in &FIGURES {
            assert!(FAMILIES.contains(&figure.family), "{}", figure.family);
            assert_eq!(named(figure.name), Some(figure));
        }
        assert_eq!(named("Step-rate").map(|figure| figure.name), Some("step_rate"));
    }
}

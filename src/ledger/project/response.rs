//! What happens once and stays: touches, and answers to surveys.

use super::activity::word;
use super::slots::{SCALE, SCORE, WORD};
use super::{Contribution, Projector, happened};
use crate::ledger::entity::{Entity, Held, Kind, Slot};
use crate::model::measure::{Measure, MeasureKey, TOUCHES, word_number};
use crate::model::money::{EXACT_ONE, Exact};
use crate::model::own::Moment;

/// Metrics of surveys.
const METRICS: [&str; 4] = ["", "nps", "csat", "ces"];

impl Projector<'_> {
    pub(super) fn response(&mut self, entity: &Entity, out: &mut Vec<Contribution>) {
        let Some((at, fact)) = happened(entity) else {
            return;
        };
        let credit = self.credit(entity, fact, at);
        let touch = entity.kind == Kind::Touch;
        let moment = if touch { Moment::Touched } else { Moment::Answered };
        self.count_own(entity, moment, (at, credit), out);
        let mut add = |key, n| out.push(Contribution { at, credit, key, n });
        if touch {
            let kind = word(entity, WORD, &TOUCHES, self.symbols);
            add(MeasureKey::word(Measure::Touches, kind), 1);
            return;
        }
        let metric = match entity.latest(WORD) {
            Some((_, Held::Text(text))) => word_number(&METRICS, self.symbols.text(text)),
            _ => 0,
        };
        let number = |slot: Slot| match entity.latest(slot) {
            Some((_, Held::Number(n))) => Some(n.exact()),
            _ => None,
        };
        let Some(score) = number(SCORE) else {
            return;
        };
        answer(metric, score, number(SCALE), |measure, n| add(MeasureKey::plain(measure), n));
    }
}

/// What an answer adds. A score outside of its scale is no answer.
fn answer(metric: i32, score: Exact, top: Option<Exact>, mut add: impl FnMut(Measure, i128)) {
    let usual = [0, 10, 5, 7][metric.clamp(0, 3) as usize];
    let top = top.map_or(usual * EXACT_ONE, |top| top.0);
    let score = score.0;
    if !(0..=top).contains(&score) {
        return;
    }
    match metric {
        1 => {
            add(Measure::NpsAnswers, 1);
            // As tenths of the top: 9 and 10 promote, 0 to 6 detract.
            if score * 10 >= top * 9 {
                add(Measure::NpsPromoters, 1);
            } else if score * 10 <= top * 6 {
                add(Measure::NpsDetractors, 1);
            }
        }
        2 => {
            add(Measure::CsatAnswers, 1);
            // Of two grades only the better one is good.
            let best = if top > 2 * EXACT_ONE { top - EXACT_ONE } else { top };
            if score >= best {
                add(Measure::CsatTop, 1);
            }
        }
        3 => {
            add(Measure::CesAnswers, 1);
            add(Measure::CesScore, score);
        }
        _ => {}
    }
}

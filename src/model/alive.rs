//! Days on which something happened: what tells a source that died from a stream that dried up.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::measure::{Measure, Measures};

/// Days of one word.
const WORD: i32 = 64;
/// So many quiet days are more than a weekend: the days around them may not have been told whole.
const LONG: i32 = 3;

/// A set of days, by number. A bit a day: years of it are some hundred bytes, and a stray day of a
/// century ago a few more.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alive(BTreeMap<i32, u64>);

impl FromIterator<i32> for Alive {
    fn from_iter<T: IntoIterator<Item = i32>>(days: T) -> Alive {
        let mut out = Alive::default();
        days.into_iter().for_each(|day| out.add(day));
        out
    }
}

impl Alive {
    /// Adds a day.
    pub fn add(&mut self, day: i32) {
        *self.0.entry(day.div_euclid(WORD)).or_default() |= 1 << day.rem_euclid(WORD);
    }

    /// Whether the value of a day's cell says that something happened on it.
    pub fn shows_in(measures: &Measures) -> bool {
        measures.entries().iter().any(|(key, _)| is_life(key.measure))
    }

    /// Adds the days of another set.
    pub fn join(&mut self, other: &Alive) {
        for (word, bits) in &other.0 {
            *self.0.entry(*word).or_default() |= bits;
        }
    }

    /// The ranges of days before `end`, ends excluded, that say nothing of a stream, in order. Those
    /// are days on which nothing happened at all, with the day on either side where there are more
    /// than a weekend of them; and the last day on which something did, with all behind it, until
    /// something happens on a later one, `today` at the latest. A day may not have been told whole
    /// before a source died, nor after it came back. Days of another zone than these are told whole by
    /// one day more, `apart`.
    pub fn unborne(&self, end: i32, today: i32, apart: bool) -> Vec<(i32, i32)> {
        let mut out: Vec<(i32, i32)> = Vec::new();
        let mut add = |from: i32, to: i32| match out.last_mut().filter(|last| last.1 >= from) {
            Some(last) => *last = (from.min(last.0), to),
            None => out.push((from, to)),
        };
        let (mut last, mut next) = (i32::MIN, i32::MIN);
        for day in self.days().take_while(|day| *day <= today) {
            if next < day {
                // Before the first day there is no source that could have died.
                let is_long = next != i32::MIN && day - next >= LONG;
                let around = i32::from(is_long);
                add(next.saturating_sub(around), day.saturating_add(around));
            }
            (last, next) = (day, day.saturating_add(1));
        }
        let last = last.saturating_sub(i32::from(apart));
        if last < end {
            add(last, end);
        }
        out.retain(|(from, _)| *from < end);
        out.iter_mut().for_each(|(_, to)| *to = end.min(*to));
        out
    }

    fn days(&self) -> impl Iterator<Item = i32> {
        self.0.iter().flat_map(|(word, bits)| {
            (0..WORD).filter(move |bit| bits & (1 << bit) != 0).map(move |bit| word * WORD + bit)
        })
    }
}

/// Whether a measure is dated by what happened. Spend, plans and what users date themselves may be
/// told ahead, or for days on which nothing was.
fn is_life(measure: Measure) -> bool {
    use Measure::{
        ActivitiesDone, CesAnswers, CsatAnswers, DealsCreated, DealsLost, DealsWon, InvoicesPaid,
        LeadsCreated, NpsAnswers, OrdersPaid, StageEntered, SubscriptionsStarted, Touches,
    };
    let deals = matches!(measure, LeadsCreated | DealsCreated | DealsWon | DealsLost);
    let money = matches!(measure, OrdersPaid | InvoicesPaid | SubscriptionsStarted);
    let rest = matches!(measure, ActivitiesDone | Touches | NpsAnswers | CsatAnswers | CesAnswers);
    deals || money || rest || measure == StageEntered
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::measure::MeasureKey;

    fn of(days: &[i32]) -> Alive {
        days.iter().copied().collect()
    }

    #[test]
    fn a_quiet_day_says_nothing_nor_does_the_last_one_until_another_follows() {
        let alive = of(&[-65, -64, 10, 11, 14]);
        let start = i32::MIN;
        assert_eq!(alive.unborne(14, 14, false), [(start, -65), (-64, 11), (12, 14)]);
        // What happens on the first day that is not closed bears out the one before.
        assert_eq!(of(&[10, 11]).unborne(11, 11, false), [(start, 10)]);
        assert_eq!(of(&[10, 11]).unborne(12, 12, false), [(start, 10), (11, 12)]);
        assert_eq!(of(&[10, 11]).unborne(18, 18, false), [(start, 10), (11, 18)]);
        // A stray day of years ahead bears out nothing.
        assert_eq!(of(&[10, 11, 99_999]).unborne(18, 18, false), [(start, 10), (11, 18)]);
        assert_eq!(Alive::default().unborne(5, 5, false), [(start, 5)]);
        // Before and behind a long silence a day may not be whole; a weekend is none.
        assert_eq!(of(&[1, 4, 8, 9, 10]).unborne(10, 10, false), [(start, 1), (2, 9)]);
        assert_eq!(of(&[1, 5, 9, 10]).unborne(10, 10, false), [(start, 10)]);
    }

    #[test]
    fn days_of_another_zone_are_told_whole_a_day_later() {
        let alive = of(&[10, 11, 12, 14]);
        assert_eq!(alive.unborne(14, 14, true), [(i32::MIN, 10), (13, 14)]);
        assert_eq!(of(&[10, 11, 12]).unborne(13, 13, true), [(i32::MIN, 10), (11, 13)]);
        assert_eq!(of(&[10, 12]).unborne(13, 13, true), [(i32::MIN, 10), (11, 13)]);
    }

    #[test]
    fn sets_join() {
        let mut alive = of(&[3]);
        alive.join(&of(&[3, 700]));
        assert_eq!(alive, of(&[3, 700]));
    }

    #[test]
    fn what_was_planned_is_no_sign_of_life() {
        let cell = |measure| [(MeasureKey::plain(measure), 1)].into_iter().collect::<Measures>();
        assert!(!Alive::shows_in(&cell(Measure::ActivitiesDue)));
        assert!(!Alive::shows_in(&cell(Measure::SpendPriced)));
        assert!(Alive::shows_in(&cell(Measure::DealsWon)));
    }
}

//! What kind of number something is: money, a count, days, or a quotient or product of them. Only
//! numbers of one kind can be added.

use std::fmt;

use crate::model::kpi::Unit;

/// How often each kind is in a number: above 0 multiplied, below 0 divided by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dimension {
    count: i8,
    money: i8,
    days: i8,
    minutes: i8,
    points: i8,
    /// A number that is written in the formula: it takes the kind of the count, share or score that
    /// it is added to.
    bare: bool,
}

impl Dimension {
    /// A number that is written in the formula.
    pub const BARE: Dimension = Dimension { bare: true, ..Dimension::SHARE };
    const SHARE: Dimension =
        Dimension { count: 0, money: 0, days: 0, minutes: 0, points: 0, bare: false };

    /// What is counted in a unit.
    pub fn unit(unit: Unit) -> Dimension {
        let share = Dimension::SHARE;
        match unit {
            Unit::Count => Dimension { count: 1, ..share },
            Unit::Money => Dimension { money: 1, ..share },
            Unit::Ratio => share,
            Unit::Days => Dimension { days: 1, ..share },
            Unit::Minutes => Dimension { minutes: 1, ..share },
            Unit::Points => Dimension { points: 1, ..share },
        }
    }

    /// What a KPI of a unit is, with these units of its numerator and denominator: an average amount
    /// is money a thing, and no sum of money.
    pub fn of(unit: Unit, parts: Option<(Unit, Unit)>) -> Dimension {
        match (unit, parts) {
            (Unit::Money, Some((num, den))) => Dimension::unit(num).over(Dimension::unit(den)),
            (unit, _) => Dimension::unit(unit),
        }
    }

    /// The kind of a sum of the two; `None` where they cannot be added.
    pub fn same(self, other: Dimension) -> Option<Dimension> {
        match (self.bare, other.bare) {
            (false, false) | (true, true) => (self == other).then_some(self),
            (true, false) => other.takes_numbers().then_some(other),
            (false, true) => self.takes_numbers().then_some(self),
        }
    }

    /// Whether a number alone means something beside it: one more deal, but not one more of the
    /// reporting currency.
    fn takes_numbers(self) -> bool {
        self == Dimension::unit(Unit::Count)
            || self == Dimension::SHARE
            || self == Dimension::unit(Unit::Points)
    }

    /// The kind of the product.
    pub fn times(self, other: Dimension) -> Dimension {
        self.join(other, i8::saturating_add)
    }

    /// The kind of the quotient.
    pub fn over(self, other: Dimension) -> Dimension {
        self.join(other, i8::saturating_sub)
    }

    fn join(self, other: Dimension, join: fn(i8, i8) -> i8) -> Dimension {
        Dimension {
            count: join(self.count, other.count),
            money: join(self.money, other.money),
            days: join(self.days, other.days),
            minutes: join(self.minutes, other.minutes),
            points: join(self.points, other.points),
            bare: self.bare && other.bare,
        }
    }

    /// The unit that says it best: money a thing and money a day are money.
    pub fn to_unit(self) -> Option<Unit> {
        let Dimension { count, money, days, minutes, points, .. } = self;
        match (money, days, minutes, points, count) {
            (0, 0, 0, 0, 0) => Some(Unit::Ratio),
            (1, ..=0, ..=0, 0, ..=0) => Some(Unit::Money),
            (0, 1, 0, 0, ..=0) => Some(Unit::Days),
            (0, 0, 1, 0, ..=0) => Some(Unit::Minutes),
            (0, 0, 0, 1, ..=0) => Some(Unit::Points),
            (0, ..=0, ..=0, 0, 1) => Some(Unit::Count),
            _ => None,
        }
    }

    /// Whether it is a share, which may be shown as points or as a count too.
    pub fn is_share(self) -> bool {
        Dimension { bare: false, ..self } == Dimension::SHARE
    }
}

impl fmt::Display for Dimension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds = [
            (self.money, "money"),
            (self.count, "a count"),
            (self.days, "days"),
            (self.minutes, "minutes"),
            (self.points, "points"),
        ];
        let side = |sign: i8| {
            let names = kinds.iter().filter(move |(n, _)| n.signum() == sign);
            let names = names.map(|(n, name)| match n.unsigned_abs() {
                1 => (*name).to_owned(),
                n => format!("{name} to the power of {n}"),
            });
            names.collect::<Vec<_>>().join(" times ")
        };
        match (side(1).as_str(), side(-1).as_str()) {
            ("", "") if self.bare => f.write_str("a number"),
            ("", "") => f.write_str("a share"),
            (above, "") => f.write_str(above),
            ("", below) => write!(f, "a share divided by {below}"),
            (above, below) => write!(f, "{above} divided by {below}"),
        }
    }
}

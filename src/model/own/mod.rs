//! Measures of the user's own: which entities count, at which moment of theirs, under which
//! condition, and what of them is summed.
//!
//! A number stands in cells under a hash of what the measure *means*, never under its name or its
//! place in the configuration: cells of before and after a change never mix two meanings, and a new
//! name costs nothing.

mod condition;
mod read;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;

pub use condition::{Asked, Condition, Test};
pub use read::{MAX_CHARS, MAX_TESTS, read};

use super::event::{EntityKind, Field, FieldName, FieldType};
use super::key::{CURRENCIES, MeasureKey};
use super::kpi::{KpiValue, Number, Unit, divide};
use super::measure::{Measure, Measures};
use super::money::{Currency, EXACT_ONE, Exact};

/// Most measures of one's own: each is asked of every event of its type.
pub const MOST: usize = 64;
/// Most fields that are kept for them beside what the ledger keeps anyway.
pub const MOST_FIELDS: usize = 32;
/// Dimensions whose value is not what an event states alone: the directory or the rules of channels
/// have a say.
pub const CREDITED: [&str; 5] = ["rep", "team", "territory", "region", "channel"];

/// When an entity counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Moment {
    /// It came into being.
    Created,
    /// A deal was won.
    Won,
    /// A deal was lost.
    Lost,
    /// A deal was won or lost.
    Closed,
    /// An activity was done.
    Done,
    /// An activity is planned.
    Due,
    /// An order or an invoice was paid.
    Paid,
    /// A subscription started.
    Started,
    /// A subscription ended.
    Ended,
    /// The day of a campaign.
    Day,
    /// A touch.
    Touched,
    /// An answer to a survey.
    Answered,
}

impl Moment {
    /// All, with their names in the config.
    pub const ALL: [(Moment, &'static str); 12] = [
        (Moment::Created, "created"),
        (Moment::Won, "won"),
        (Moment::Lost, "lost"),
        (Moment::Closed, "closed"),
        (Moment::Done, "done"),
        (Moment::Due, "due"),
        (Moment::Paid, "paid"),
        (Moment::Started, "started"),
        (Moment::Ended, "ended"),
        (Moment::Day, "day"),
        (Moment::Touched, "touched"),
        (Moment::Answered, "answered"),
    ];

    /// The name in the config.
    pub fn as_str(self) -> &'static str {
        Self::ALL[self as usize].1
    }

    /// From the name in the config.
    pub fn parse(text: &str) -> Option<Moment> {
        Self::ALL.iter().find(|(_, name)| *name == text).map(|(moment, _)| *moment)
    }

    /// Those of a type of entity; none of one that the ledger does not keep.
    pub fn of(kind: EntityKind) -> &'static [Moment] {
        match kind {
            EntityKind::Lead => &[Moment::Created],
            EntityKind::Deal => &[Moment::Created, Moment::Won, Moment::Lost, Moment::Closed],
            EntityKind::Activity => &[Moment::Created, Moment::Done, Moment::Due],
            EntityKind::Order | EntityKind::Invoice => &[Moment::Created, Moment::Paid],
            EntityKind::Subscription => &[Moment::Started, Moment::Ended],
            EntityKind::CampaignDay => &[Moment::Day],
            EntityKind::Touch => &[Moment::Touched],
            EntityKind::SurveyResponse => &[Moment::Answered],
            EntityKind::Rep => &[],
        }
    }
}

/// What a measure counts or sums, without its name.
#[derive(Clone, Debug, PartialEq)]
pub struct Meant {
    /// Of which entities.
    pub of: EntityKind,
    /// When they count.
    pub at: Moment,
    /// Which of them count.
    pub condition: Condition,
    /// What of them is summed: money, a number, or a field of the user's own that holds numbers;
    /// they are counted without it.
    pub sum: Option<FieldName<'static>>,
    /// Numbers of a field of the user's own are money, in the currency of the entity's own amount
    /// (of its MRR, its spend), and in that of reports where it has none.
    pub is_money: bool,
}

impl Meant {
    /// The money of the entity of which a field of the user's own takes the currency.
    pub fn beside(&self) -> Option<Field> {
        let is_own = self.is_money && matches!(self.sum, Some(FieldName::Custom(_)));
        is_own.then_some(match self.of {
            EntityKind::Subscription => Field::Mrr,
            EntityKind::CampaignDay => Field::Spend,
            _ => Field::Amount,
        })
    }

    /// Whether the two have the same numbers, however they are spelled.
    pub fn same_as(&self, other: &Meant) -> bool {
        meaning(self) == meaning(other)
    }
}

/// A measure of the user's own.
#[derive(Clone, Debug, PartialEq)]
pub struct OwnMeasure {
    /// Name in formulas.
    pub name: String,
    /// What it means, for people.
    pub doc: String,
    meant: Meant,
    place: i64,
}

impl OwnMeasure {
    /// A measure of that name.
    pub fn new(name: &str, doc: &str, meant: Meant) -> OwnMeasure {
        // With a currency it still fits a place.
        let place = xxhash_rust::xxh3::xxh3_64(meaning(&meant).as_bytes()) >> 17;
        let (name, doc) = (name.to_owned(), doc.to_owned());
        OwnMeasure { name, doc, meant, place: place.cast_signed() }
    }

    /// What it counts or sums.
    pub fn meant(&self) -> &Meant {
        &self.meant
    }

    /// What it is counted in. A sum of seconds is one of minutes, as in the catalogue.
    pub fn unit(&self) -> Unit {
        match self.meant.sum {
            Some(FieldName::Known(field)) if field.field_type() == FieldType::Money => Unit::Money,
            Some(FieldName::Custom(_)) if self.meant.is_money => Unit::Money,
            Some(FieldName::Known(Field::Duration)) => Unit::Minutes,
            Some(FieldName::Known(Field::Score)) => Unit::Points,
            _ => Unit::Count,
        }
    }

    /// Whether its value is exact to the last digit.
    pub fn is_exact(&self) -> bool {
        self.unit() != Unit::Minutes
    }

    /// The measures that cells keep it in: the number, and where it is a sum how many are in it.
    pub fn measures(&self) -> &'static [Measure] {
        match (&self.meant.sum, self.unit()) {
            (None, _) => &[Measure::OwnCount],
            (Some(_), Unit::Money) => &[Measure::OwnAmount, Measure::OwnPriced],
            (Some(_), _) => &[Measure::OwnQuantity, Measure::OwnNumbered],
        }
    }

    /// Where it stands in a cell: in this one of [`OwnMeasure::measures`].
    pub fn key(&self, measure: Measure) -> MeasureKey {
        MeasureKey { measure, place: self.place }
    }

    /// The same of money.
    pub fn money_key(&self, measure: Measure, currency: Currency) -> MeasureKey {
        MeasureKey { measure, place: self.place * CURRENCIES + i64::from(currency.code()) }
    }

    /// Its value in the sums over a window.
    pub fn compute(&self, flow: &Measures, own: Currency) -> KpiValue {
        let exact = |n| Some(Number::Exact(Exact(n)));
        let numbered = || flow.at(self.key(Measure::OwnNumbered));
        let total = || flow.at(self.key(Measure::OwnQuantity));
        let (value, n) = match (&self.meant.sum, self.unit()) {
            (None, _) => {
                let n = flow.at(self.key(Measure::OwnCount));
                (exact(n * EXACT_ONE), n)
            }
            (Some(_), Unit::Money) => {
                let at = |measure| flow.at(self.money_key(measure, own));
                (exact(at(Measure::OwnAmount)), at(Measure::OwnPriced))
            }
            (Some(_), Unit::Minutes) => {
                (Some(Number::Float(divide(total(), 60 * EXACT_ONE))), numbered())
            }
            (Some(_), _) => (exact(total()), numbered()),
        };
        let unconverted = self.foreign(flow, own);
        let hollow = n == 0 && !unconverted.is_empty();
        KpiValue { value, n, unconverted, hollow, ..KpiValue::default() }
    }

    /// What a sum of money has in other currencies.
    fn foreign(&self, flow: &Measures, own: Currency) -> Vec<(Currency, Exact)> {
        let all = flow.of(Measure::OwnAmount);
        let ours = all.filter(|(place, _)| place.div_euclid(CURRENCIES) == self.place);
        let coded = ours.map(|(place, n)| (place.rem_euclid(CURRENCIES), n));
        let others = coded.filter(|(code, _)| *code != i64::from(own.code()));
        others.filter_map(|(code, n)| Some((Currency::from_code(code)?, Exact(n)))).collect()
    }

    /// It in words, without its name: `activity done where kind = 'demo'`.
    pub fn text(&self) -> String {
        let mut out = format!("{} {}", self.meant.of.as_str(), self.meant.at.as_str());
        if let Some(sum) = &self.meant.sum {
            let _ = write!(out, ", sum of {}", field_name(sum));
            if self.meant.beside().is_some() {
                out.push_str(" as money");
            }
        }
        if !self.meant.condition.text().is_empty() {
            let _ = write!(out, ", where {}", self.meant.condition.text());
        }
        out
    }
}

/// The name of a field on the wire.
pub fn field_name(field: &FieldName<'_>) -> String {
    match field {
        FieldName::Known(field) => field.as_str().to_owned(),
        FieldName::Custom(name) => format!("x.{name}"),
    }
}

/// What decides the numbers, spelled in one way. Part of the formats: it is hashed into places.
fn meaning(meant: &Meant) -> String {
    let mut sum = meant.sum.as_ref().map(field_name).unwrap_or_default();
    // No field has a space in its name.
    if meant.beside().is_some() {
        sum.push_str(" as money");
    }
    format!("{} {} {sum} {}", meant.of.as_str(), meant.at.as_str(), meant.condition.meaning())
}

/// The measures of the user's own, by name.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct OwnMeasures(Arc<[Arc<OwnMeasure>]>);

impl OwnMeasures {
    /// All of them, sorted by name.
    pub fn all(&self) -> &[Arc<OwnMeasure>] {
        &self.0
    }

    /// The one of a name.
    pub fn named(&self, name: &str) -> Option<&Arc<OwnMeasure>> {
        self.0.iter().find(|own| own.name == name)
    }

    /// What decides their numbers, in words; names and notes do not. The same whatever their order.
    pub fn meaning(&self) -> String {
        let all: BTreeSet<String> = self.0.iter().map(|own| meaning(&own.meant)).collect();
        all.into_iter().collect::<Vec<_>>().join("\n")
    }

    /// The fields that are kept for them alone, by type of entity: what is no dimension, and what
    /// the ledger does not keep anyway. `stages` says whether there is a stage table.
    pub fn kept(&self, dimensions: &[String], stages: bool) -> BTreeSet<(EntityKind, String)> {
        let mut out = BTreeSet::new();
        for meant in self.0.iter().map(|own| &own.meant) {
            let Meant { of, condition, sum, .. } = meant;
            let beside = meant.beside().map(FieldName::Known);
            let asked = condition.fields().chain(sum).chain(&beside);
            for field in asked.filter(|field| !is_kept(*of, field, dimensions, stages)) {
                out.insert((*of, field_name(field)));
            }
        }
        out
    }
}

impl FromIterator<OwnMeasure> for OwnMeasures {
    fn from_iter<T: IntoIterator<Item = OwnMeasure>>(all: T) -> OwnMeasures {
        let mut all: Vec<Arc<OwnMeasure>> = all.into_iter().map(Arc::new).collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        OwnMeasures(all.into())
    }
}

/// Whether conditions may ask for a field of such entities: for texts, but for those of people.
pub fn is_text(of: EntityKind, name: &FieldName<'_>) -> bool {
    match name {
        FieldName::Custom(_) => true,
        FieldName::Known(Field::Name | Field::Email | Field::Owner) => false,
        FieldName::Known(Field::Team | Field::Territory | Field::Channel) => false,
        FieldName::Known(Field::Status) => of == EntityKind::Subscription,
        FieldName::Known(field) => field.field_type() == FieldType::Text,
    }
}

/// The types of entities that alone have a field; `None` where any may have it.
pub fn only_of(field: Field) -> Option<&'static [EntityKind]> {
    use EntityKind as Of;
    Some(match field {
        Field::ActivityKind => &[Of::Activity, Of::Touch],
        Field::Direction | Field::Outcome | Field::Duration => &[Of::Activity],
        Field::Spend | Field::Impressions | Field::Clicks | Field::Conversions => {
            &[Of::CampaignDay]
        }
        Field::Metric | Field::Score | Field::ScaleMax => &[Of::SurveyResponse],
        Field::ConvertedDeal => &[Of::Lead],
        Field::Refunded => &[Of::Order, Of::Invoice],
        Field::LostReason | Field::Probability => &[Of::Deal, Of::Lead],
        Field::Mrr | Field::Plan => &[Of::Subscription, Of::Deal, Of::Order, Of::Invoice],
        Field::Discount => &[Of::Order, Of::Invoice, Of::Deal],
        _ => return None,
    })
}

/// Whether a field can be summed: money, numbers, and a field of the user's own where it holds one.
pub fn is_summable(name: &FieldName<'_>) -> bool {
    match name {
        FieldName::Custom(_) => true,
        FieldName::Known(field) => {
            matches!(field.field_type(), FieldType::Money | FieldType::Number)
        }
    }
}

/// Whether the ledger keeps a field whatever the user's own measures are; a test beside its slots
/// holds this table to them.
pub fn is_kept(of: EntityKind, name: &FieldName<'_>, dimensions: &[String], stages: bool) -> bool {
    use EntityKind as Of;
    let deals_only = matches!(name, FieldName::Known(Field::Stage)) && of != Of::Deal;
    if !deals_only && dimensions.contains(&field_name(name)) {
        return true;
    }
    let FieldName::Known(field) = name else { return false };
    match (of, field) {
        (Of::Deal | Of::Order | Of::Invoice, Field::Amount | Field::Account) => true,
        (Of::Deal, Field::Stage | Field::Pipeline) => stages,
        (Of::Lead, Field::ConvertedDeal) => true,
        (Of::Activity | Of::Touch, Field::ActivityKind) => true,
        (Of::Activity, Field::Outcome | Field::Duration) => true,
        (Of::Order | Of::Invoice, Field::Customer | Field::Refunded) => true,
        (Of::Order, Field::Discount) => true,
        (
            Of::CampaignDay,
            Field::Spend | Field::Impressions | Field::Clicks | Field::Conversions,
        ) => true,
        (Of::SurveyResponse, Field::Metric | Field::Score | Field::ScaleMax) => true,
        (Of::Subscription, Field::Status | Field::Mrr) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests;

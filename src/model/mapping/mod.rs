//! A mapping as a program: how the records of a source become events where no decoder knows the
//! source. The configuration compiles it once; nothing of it is parsed for a record. It has no
//! loops but over arrays of the record itself, and nests no deeper than it is written, so it always
//! ends.
//!
//! Example: in the shipped mapping of Copper the path `updated_attributes.status[1]` is the new
//! value of a pair, and `@` one of the `ids` that the rule makes an event each of.

mod place;

pub use place::{Hop, Node, Place, Places};

use std::collections::BTreeMap;

use super::calendar::Calendar;
use super::event::{EntityKind, FieldName, Flags, Op};
use super::source::Unread;

/// Longest path, steps; deepest nesting of expressions.
pub const DEPTH: usize = 16;

/// A compiled mapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// `system` of its events.
    pub system: String,
    /// What the bytes of a record are.
    pub body: Body,
    /// The places that its paths name.
    pub places: Places,
    /// Its rules, in order: the first that fits takes the element.
    pub rules: Vec<Rule>,
    /// The places that the conditions of its rules ask about, with their paths, for people.
    pub asked: Vec<(Place, String)>,
}

impl Mapping {
    /// A mapping of these rules.
    pub fn new(system: String, body: Body, places: Places, rules: Vec<Rule>) -> Mapping {
        let mut asked: Vec<_> = rules.iter().flat_map(|r| &r.when).map(|t| t.place).collect();
        asked.sort_unstable();
        asked.dedup();
        let asked = asked.into_iter().map(|place| (place, places.show(place))).collect();
        Mapping { system, body, places, rules, asked }
    }
}

/// What the bytes of a record are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// JSON.
    Json,
    /// What a web form posts; `a[b]=1` is read as `{"a":{"b":"1"}}`. JSON is taken too.
    Form,
}

/// Which elements become what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// All of these must hold.
    pub when: Vec<Test>,
    /// The array whose elements are one thing each.
    pub explode: Option<Place>,
    /// What they become.
    pub gives: Gives,
}

/// What an element becomes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Gives {
    /// An event.
    Event(Box<Recipe>),
    /// Nothing, for this reason.
    Nothing(Unread),
}

/// How to make an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipe {
    /// What the event is about.
    pub entity: EntityKind,
    /// Its id.
    pub id: Expr,
    /// What happened; what the change feed says, or an update, where absent.
    pub op: Option<OpOf>,
    /// When; what the change feed says, or when the record came, where absent.
    pub time: Option<Expr>,
    /// Position among the entity's events: one number behind the time, or two instead of it.
    pub order: Vec<Expr>,
    /// What tells the event from others of its entity; all that it states where absent.
    pub name: Vec<Expr>,
    /// The entity that absorbed this one.
    pub merged_into: Option<Expr>,
    /// What is stated.
    pub set: Vec<Stated>,
    /// Notes, and when they hold.
    pub flags: Vec<(Flags, Vec<Test>)>,
    /// What `null` means.
    pub nulls: Nulls,
}

/// A field and what fills it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stated {
    /// The canonical field.
    pub field: FieldName<'static>,
    /// Its value.
    pub value: Expr,
    /// The name that the source has for it: the last one of its path.
    pub native: Option<String>,
}

/// What `null` means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nulls {
    /// The field was cleared.
    Cleared,
    /// Nothing, but for the fields that the array at the place names: those were cleared.
    Unknown(Option<Place>),
}

/// A condition on the value at a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Test {
    /// Where.
    pub place: Place,
    /// What.
    pub is: Is,
}

/// What must hold of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Is {
    /// It is one of these.
    OneOf(Vec<String>),
    /// It is none of these; a value that is absent is none of any.
    NoneOf(Vec<String>),
    /// It is there and not `null`; or the contrary.
    There(bool),
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OpOf {
    /// Always this.
    Always(Op),
    /// What the expression gives; what is no operation is not read.
    From(Expr),
}

/// Where a value comes from, and what is done with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expr {
    /// Where from.
    pub from: Input,
    /// What is done, first to last.
    pub steps: Vec<Step>,
    /// What it is read as at the end.
    pub read: Read,
}

impl Expr {
    /// Whether what it gives is a time.
    pub fn is_time(&self) -> bool {
        matches!(self.read, Read::Time(..))
            || match &self.from {
                Input::Received => true,
                Input::Coalesce(all) => all.iter().any(Expr::is_time),
                Input::Expr(inner) => inner.is_time(),
                _ => false,
            }
    }

    /// Whether the arrival of the record is part of it, which is another one at each delivery.
    pub fn asks_arrival(&self) -> bool {
        let within = match &self.from {
            Input::Received => true,
            Input::Coalesce(all) | Input::Concat(all, _) => all.iter().any(Expr::asks_arrival),
            Input::Expr(inner) => inner.asks_arrival(),
            Input::Place(_) | Input::Const(_) | Input::Header(_) | Input::Key => false,
        };
        within || matches!(&self.read, Read::Money(_, Some(code)) if code.asks_arrival())
    }
}

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// A place of the element.
    Place(Place),
    /// A text of the mapping.
    Const(String),
    /// The first of these that is neither absent nor empty.
    Coalesce(Vec<Expr>),
    /// All of these as one text, joined by the second.
    Concat(Vec<Expr>, String),
    /// What another expression gives.
    Expr(Box<Expr>),
    /// A header of the record or of the request in it.
    Header(String),
    /// The key of the record.
    Key,
    /// When the record came.
    Received,
}

/// A transform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// The first element of an array.
    First,
    /// The last element of an array.
    Last,
    /// Without white space at both ends.
    Trim,
    /// Without this at the beginning.
    TrimPrefix(String),
    /// The piece of this number, counted from 0, from the end where negative.
    Split(String, i64),
    /// Each occurrence of the first as the second.
    Replace(String, String),
    /// In lower case.
    Lower,
    /// In upper case.
    Upper,
    /// By a table.
    Map(BTreeMap<String, String>, Unlisted),
    /// A decimal number, the point moved so many places to the right.
    Number(i32),
    /// The number with the other sign.
    Neg,
    /// Yes or no, in the words that systems have for it.
    Bool,
    /// A short name for it.
    Hash,
}

/// What becomes of a value that a table does not list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unlisted {
    /// The element is a dead letter.
    Refuse,
    /// The value is absent.
    Leave,
    /// The value stays.
    Keep,
    /// This instead.
    Const(String),
}

/// What a value is read as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Read {
    /// What it is.
    Plain,
    /// Money of the currency that the expression gives, or of the source's.
    Money(MoneyForm, Option<Box<Expr>>),
    /// An instant.
    Time(TimeForm, Option<Box<Calendar>>),
}

/// What the digits of an amount count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MoneyForm {
    /// Units of the currency.
    Major,
    /// The smallest unit of the currency: cents of EUR, yen of JPY.
    Minor,
    /// Hundredths, whatever the currency.
    Cents,
    /// Millionths.
    Micros,
    /// Kafka Connect's `Decimal`: base64 of the unscaled number, with so many decimals.
    Connect(i32),
}

macro_rules! forms {
    ($($variant:ident $name:literal $doc:literal),* $(,)?) => {
        /// The form of a time.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum TimeForm { $(#[doc = $doc] $variant),* }

        impl TimeForm {
            /// All of them with their names.
            pub const ALL: &'static [(TimeForm, &'static str)] = &[$((TimeForm::$variant, $name)),*];
        }
    };
}

forms! {
    Rfc3339 "rfc3339" "RFC 3339, with a zone.",
    Seconds "s" "Seconds since 1970.",
    Millis "ms" "Milliseconds since 1970.",
    Micros "us" "Microseconds since 1970.",
    Days "days" "Days since 1970.",
    Date "date" "A date; the start of that day.",
    Naive "naive" "Date and time of day without a zone.",
    DotNet "dotnet" "`/Date(1764086400000+0000)/`.",
}

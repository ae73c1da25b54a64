//! A mapping as a program: how the records of a source become events where no decoder knows the
//! source. The configuration compiles it once; nothing of it is parsed for a record. It has no
//! loops but over arrays of the record itself, and nothing in it calls itself, so it always ends.
//!
//! Example: in the shipped mapping of Copper the path `updated_attributes.status[1]` is the new
//! value of a pair, and `@` one of the `ids` that the rule makes an event each of.

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

/// A value's place: an index into [`Places`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place(pub usize);

/// All places that a mapping looks at, each behind the one that it is in, so that no object is read
/// twice for two values of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Places(pub Vec<Node>);

/// One place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// What it is in; none of a root.
    pub parent: Option<Place>,
    /// How to get there.
    pub hop: Hop,
    /// Whether it is another one for each element of the array that is exploded.
    pub of_item: bool,
}

/// How to get from one place to the next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hop {
    /// Root: the element.
    Element,
    /// Root `@`: the element of the array that is exploded.
    Item,
    /// Root `$op`: what the change feed says that happened.
    Op,
    /// Root `$table`: the table that the change feed names.
    Table,
    /// Root `$before`: the row as it was before the change.
    Before,
    /// The value of this name.
    Name(String),
    /// The value whose name is the text of `@`.
    ItemName,
    /// The value at this index, from the end where negative.
    At(i64),
    /// All objects of an array by their text of this name.
    By(String),
    /// The one of them whose text is this.
    Is(String),
    /// The one of them whose text is that of `@`.
    IsItem,
}

impl Places {
    /// The place that a path names. The error says what is wrong with the path.
    pub fn of(&mut self, path: &str) -> Result<Place, String> {
        let mut rest = path;
        let (root, end) = match rest.as_bytes().first() {
            None => return Err("the path is empty".to_owned()),
            Some(b'@') => (Hop::Item, 1),
            Some(b'$') => {
                let end = rest.find(['.', '[']).unwrap_or(rest.len());
                let root = match &rest[..end] {
                    "$op" => Hop::Op,
                    "$table" => Hop::Table,
                    "$before" => Hop::Before,
                    other => return Err(format!("\"{other}\" is none of $op, $table, $before")),
                };
                (root, end)
            }
            Some(_) => (Hop::Element, 0),
        };
        rest = &rest[end..];
        let is_text = matches!(root, Hop::Op | Hop::Table);
        let mut place = self.node(None, root.clone());
        let mut is_first = root == Hop::Element;
        if is_text && !rest.is_empty() {
            return Err("there is nothing inside a text".to_owned());
        }
        while !rest.is_empty() {
            rest = match rest.as_bytes()[0] {
                b'[' => self.bracket(rest, &mut place)?,
                b'.' if !is_first => self.name(&rest[1..], &mut place)?,
                _ if is_first => self.name(rest, &mut place)?,
                _ => return Err(format!("expected . or [ before \"{rest}\"")),
            };
            is_first = false;
            if self.depth(place) > DEPTH {
                return Err(format!("the path has more than {DEPTH} steps"));
            }
        }
        Ok(place)
    }

    fn name<'p>(&mut self, rest: &'p str, place: &mut Place) -> Result<&'p str, String> {
        let end = rest.find(['.', '[', ']', '=']).unwrap_or(rest.len());
        if end == 0 {
            return Err("a name is missing".to_owned());
        }
        *place = self.node(Some(*place), Hop::Name(rest[..end].to_owned()));
        Ok(&rest[end..])
    }

    /// `[0]`, `[-1]`, `["a name"]`, `[@]`, `[key=value]`, `[key=@]`.
    fn bracket<'p>(&mut self, rest: &'p str, place: &mut Place) -> Result<&'p str, String> {
        let open = || "a [ is not closed by ]".to_owned();
        if let Some(quoted) = rest.strip_prefix("[\"") {
            let (name, behind) = quoted.split_once("\"]").ok_or_else(open)?;
            *place = self.node(Some(*place), Hop::Name(name.to_owned()));
            return Ok(behind);
        }
        let (inside, behind) = rest[1..].split_once(']').ok_or_else(open)?;
        *place = match inside.split_once('=') {
            Some((key, value)) if !key.is_empty() => {
                let by = self.node(Some(*place), Hop::By(key.to_owned()));
                let is = if value == "@" { Hop::IsItem } else { Hop::Is(value.to_owned()) };
                self.node(Some(by), is)
            }
            None if inside == "@" => self.node(Some(*place), Hop::ItemName),
            _ => {
                let at = inside.parse().map_err(|_| {
                    format!("[{inside}] is none of [0], [-1], [\"name\"], [key=value], [@]")
                })?;
                self.node(Some(*place), Hop::At(at))
            }
        };
        Ok(behind)
    }

    fn node(&mut self, parent: Option<Place>, hop: Hop) -> Place {
        let known = self.0.iter().position(|node| node.parent == parent && node.hop == hop);
        Place(known.unwrap_or_else(|| {
            let of_item = matches!(hop, Hop::Item | Hop::ItemName | Hop::IsItem)
                || parent.is_some_and(|p| self.0[p.0].of_item);
            self.0.push(Node { parent, hop, of_item });
            self.0.len() - 1
        }))
    }

    fn depth(&self, place: Place) -> usize {
        std::iter::successors(Some(place), |p| self.0[p.0].parent).count()
    }

    /// The last name of a path: what the source calls the value.
    pub fn native(&self, place: Place) -> Option<&str> {
        let mut all = std::iter::successors(Some(place), |p| self.0[p.0].parent);
        all.find_map(|p| match &self.0[p.0].hop {
            Hop::Name(name) => Some(name.as_str()),
            _ => None,
        })
    }

    /// The path that names a place, for people.
    pub fn show(&self, place: Place) -> String {
        let mut hops: Vec<&Hop> = std::iter::successors(Some(place), |p| self.0[p.0].parent)
            .map(|p| &self.0[p.0].hop)
            .collect();
        hops.reverse();
        let mut out = String::new();
        for hop in hops {
            match hop {
                Hop::Element => {}
                Hop::Item => out.push('@'),
                Hop::Op => out.push_str("$op"),
                Hop::Table => out.push_str("$table"),
                Hop::Before => out.push_str("$before"),
                Hop::Name(name) if name.contains(['.', '[', ']', '=']) || name.is_empty() => {
                    out.push_str(&format!("[\"{name}\"]"));
                }
                Hop::Name(name) if out.is_empty() => out.push_str(name),
                Hop::Name(name) => out.push_str(&format!(".{name}")),
                Hop::ItemName => out.push_str("[@]"),
                Hop::At(at) => out.push_str(&format!("[{at}]")),
                Hop::By(key) => out.push_str(&format!("[{key}=")),
                Hop::Is(value) => out.push_str(&format!("{value}]")),
                Hop::IsItem => out.push_str("@]"),
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_shown_as_it_was_written() {
        let mut places = Places::default();
        for path in [
            "a",
            "a.b.c",
            "updated_attributes.status[1]",
            "a[-1].b",
            "@",
            "@.id",
            "@[0]",
            "affected_values[record_id=@].values.Stage",
            "InputParameters[key=Target].value.Attributes[key=estimatedvalue].value.Value",
            "a[@].b",
            "[\"a.b\"]",
            "x[\"a.b\"].c",
            "$op",
            "$table",
            "$before.amount",
            "properties.$value",
            "with space.ä",
        ] {
            let place = places.of(path).unwrap_or_else(|why| panic!("{path}: {why}"));
            assert_eq!(places.show(place), path);
        }
        // What is shared is there once.
        let before = places.0.len();
        places.of("a.b").unwrap();
        assert_eq!(places.0.len(), before);
        let stage = places.of("affected_values[record_id=@].values.Stage").unwrap();
        assert!(places.0[stage.0].of_item);
        assert_eq!(places.native(stage), Some("Stage"));
    }

    #[test]
    fn what_is_no_path_is_refused() {
        let mut places = Places::default();
        for (path, why) in [
            ("", "empty"),
            (".a", "a name is missing"),
            ("a..b", "a name is missing"),
            ("a.", "a name is missing"),
            ("a[", "not closed"),
            ("a[x]", "none of [0]"),
            ("a[]", "none of [0]"),
            ("a[=x]", "none of [0]"),
            ("a]b", "expected . or ["),
            ("@a", "expected . or ["),
            ("$old.a", "none of $op"),
            ("$op.a", "nothing inside"),
            ("a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q.r", "more than 16"),
        ] {
            let told = places.of(path).expect_err(path);
            assert!(told.contains(why), "{path}: {told}");
        }
    }
}

//! A mapping as typed: one struct a table of `config/mappings/*.toml`, one field a key.

use serde::Deserialize;

use crate::config::leaf::{Given, Leaf, Problem, Raw, clip, text};
use crate::config::near::did_you_mean;
use crate::config::shape::{Shape, Shaped, map, table};
use crate::config::words::{FieldText, Name, Zone};
use crate::model::event::{EntityKind, Flags};
use crate::model::mapping::{Body, Places, TimeForm};
use crate::model::source::Unread;

table! {
    /// A file with a mapping.
    MappingFile {
        system: Option<Given<Name>>,
        decode: Option<Given<Body>>,
        map: Option<Vec<RuleRow>>,
    }
    RuleRow {
        when: Option<When>,
        explode: Option<Given<PathText>>,
        ignore: Option<Given<Unread>>,
        entity: Option<EntityRow>,
        op: Option<Value>,
        time: Option<Value>,
        order: Option<Vec<Value>>,
        id: Option<Vec<Value>>,
        merged_into: Option<Value>,
        nulls: Option<Given<NullsWord>>,
        changed: Option<Given<PathText>>,
        flags: Option<FlagRows>,
        set: Option<SetRows>,
    }
    EntityRow {
        r#type: Option<Given<EntityKind>>,
        id: Option<Value>,
    }
    ConditionRow {
        exists: Option<Given<bool>>,
        not: Option<Words>,
    }
    SplitRow {
        by: Option<Given<Piece>>,
        n: Option<Given<Index>>,
    }
    ReplaceRow {
        find: Option<Given<Piece>>,
        with: Option<Given<Scalar>>,
    }
    ValueRow {
        from: Option<Value>,
        r#const: Option<Given<Scalar>>,
        coalesce: Option<Vec<Value>>,
        concat: Option<Vec<Value>>,
        by: Option<Given<Piece>>,
        header: Option<Given<String>>,
        key: Option<Given<Yes>>,
        received: Option<Given<Yes>>,
        first: Option<Given<Yes>>,
        last: Option<Given<Yes>>,
        trim: Option<Given<Yes>>,
        trim_prefix: Option<Given<Piece>>,
        split: Option<SplitRow>,
        replace: Option<ReplaceRow>,
        lower: Option<Given<Yes>>,
        upper: Option<Given<Yes>>,
        map: Option<TableRows>,
        r#else: Option<Given<Scalar>>,
        unlisted: Option<Given<UnlistedWord>>,
        number: Option<Given<NumberWord>>,
        neg: Option<Given<Yes>>,
        bool: Option<Given<Yes>>,
        hash: Option<Given<Yes>>,
        money: Option<Given<MoneyWord>>,
        currency: Option<Value>,
        scale: Option<Given<Index>>,
        time: Option<Given<TimeForm>>,
        zone: Option<Given<Zone>>,
    }
}

map! {
    /// Conditions by path.
    When(Condition), keys: |path| path_of(path)
}

map! {
    /// Values by the field of an event that each fills.
    SetRows(Value), keys: |name| FieldText::read(Raw::Text(name)).map(|_| ())
}

map! {
    /// Conditions by the flag that each sets.
    FlagRows(When), keys: |name| {
        let names = Flags::ALL.map(|(_, name)| name);
        match names.contains(&name) {
            true => Ok(()),
            false => Err(Problem::new(
                format!("\"{}\" is no flag of an event", clip(name)),
                did_you_mean(name, &names),
            )),
        }
    }
}

map! {
    /// A table of values.
    TableRows(Given<Scalar>), keys: |_| Ok(())
}

/// Where a value comes from: a path, or a table with what is done with it.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Value {
    Path(Given<PathText>),
    Row(Box<ValueRow>),
}

impl Shaped for Value {
    // Values have values inside.
    const SHAPE: Shape =
        Shape::Either(&<Given<PathText> as Shaped>::SHAPE, &Shape::Within(|| ValueRow::SHAPE));
}

/// What must hold of a value: it is this, one of these, or what a table says.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Condition {
    Words(Words),
    Row(ConditionRow),
}

impl Shaped for Condition {
    const SHAPE: Shape = Shape::Either(
        &<Given<Scalar> as Shaped>::SHAPE,
        &Shape::Either(&<Vec<Given<Scalar>> as Shaped>::SHAPE, &ConditionRow::SHAPE),
    );
}

/// One value, or several.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Words {
    One(Given<Scalar>),
    Several(Vec<Given<Scalar>>),
}

impl Words {
    pub(super) fn texts(&self) -> Vec<String> {
        match self {
            Words::One(word) => vec![word.0.0.clone()],
            Words::Several(words) => words.iter().map(|word| word.0.0.clone()).collect(),
        }
    }
}

impl Shaped for Words {
    const SHAPE: Shape =
        Shape::Either(&<Given<Scalar> as Shaped>::SHAPE, &<Vec<Given<Scalar>> as Shaped>::SHAPE);
}

/// A path.
#[derive(Clone, Debug)]
pub(super) struct PathText(pub(super) String);

fn path_of(path: &str) -> Result<(), Problem> {
    Places::default().of(path).map(|_| ()).map_err(|why| {
        let mend = "write names joined by dots: record.amount, items[0].id, list[key=name].value";
        Problem::new(format!("\"{}\" is no path: {why}", clip(path)), mend)
    })
}

impl Leaf for PathText {
    fn read(raw: Raw<'_>) -> Result<PathText, Problem> {
        let mend = "write it in quotes: \"record.amount\"; a fixed value is { const = … }";
        let path = text(raw, "a path, or a table", mend)?;
        path_of(path).map(|()| PathText(path.to_owned()))
    }
}

/// A fixed value.
#[derive(Clone, Debug)]
pub(super) struct Scalar(pub(super) String);

impl Leaf for Scalar {
    fn read(raw: Raw<'_>) -> Result<Scalar, Problem> {
        match raw {
            Raw::Text(text) => Ok(Scalar(text.to_owned())),
            Raw::Whole(n) => Ok(Scalar(n.to_string())),
            Raw::Bool(yes) => Ok(Scalar(yes.to_string())),
            Raw::Other(_) => Err(Problem::expected(
                "a text, a whole number or a boolean",
                raw,
                "write it in quotes",
            )),
        }
    }
}

/// A text that is not empty; it may be a space.
#[derive(Clone, Debug)]
pub(super) struct Piece(pub(super) String);

impl Leaf for Piece {
    fn read(raw: Raw<'_>) -> Result<Piece, Problem> {
        match text(raw, "a text", "write it in quotes")? {
            "" => Err(Problem::new("the text is empty", "write at least one character")),
            text => Ok(Piece(text.to_owned())),
        }
    }
}

/// A small whole number, which may be negative.
#[derive(Clone, Copy, Debug)]
pub(super) struct Index(pub(super) i32);

impl Leaf for Index {
    fn read(raw: Raw<'_>) -> Result<Index, Problem> {
        let mend = "write a whole number from -1000 to 1000, without quotes";
        match raw {
            Raw::Whole(n) if (-1000..=1000).contains(&n) => Ok(Index(n as i32)),
            _ => Err(Problem::expected("a whole number from -1000 to 1000", raw, mend)),
        }
    }
}

/// `true`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Yes;

impl Leaf for Yes {
    fn read(raw: Raw<'_>) -> Result<Yes, Problem> {
        match raw {
            Raw::Bool(true) => Ok(Yes),
            _ => Err(Problem::expected("true", raw, "write true, or leave the key out")),
        }
    }
}

/// Takes one of several words.
fn word<T: Clone>(raw: Raw<'_>, noun: &str, all: &[(&str, T)]) -> Result<T, Problem> {
    let names: Vec<&str> = all.iter().map(|(name, _)| *name).collect();
    let given = text(raw, noun, &did_you_mean("", &names))?;
    let found = all.iter().find(|(name, _)| *name == given).map(|(_, value)| value.clone());
    found.ok_or_else(|| {
        Problem::new(format!("\"{}\" is not {noun}", clip(given)), did_you_mean(given, &names))
    })
}

impl Leaf for EntityKind {
    fn read(raw: Raw<'_>) -> Result<EntityKind, Problem> {
        word(raw, "an entity", &EntityKind::ALL.map(|(kind, name)| (name, kind)))
    }
}

impl Leaf for Unread {
    fn read(raw: Raw<'_>) -> Result<Unread, Problem> {
        let all: Vec<_> = Unread::ALL.iter().map(|(reason, name, _)| (*name, *reason)).collect();
        word(raw, "a reason to ignore an element", &all)
    }
}

impl Leaf for Body {
    fn read(raw: Raw<'_>) -> Result<Body, Problem> {
        word(raw, "a form of records", &[("json", Body::Json), ("form", Body::Form)])
    }
}

impl Leaf for TimeForm {
    fn read(raw: Raw<'_>) -> Result<TimeForm, Problem> {
        let all: Vec<_> = TimeForm::ALL.iter().map(|(form, name)| (*name, *form)).collect();
        word(raw, "a form of time", &all)
    }
}

/// What `null` means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NullsWord {
    Cleared,
    Unknown,
}

impl Leaf for NullsWord {
    fn read(raw: Raw<'_>) -> Result<NullsWord, Problem> {
        let all = [("cleared", NullsWord::Cleared), ("unknown", NullsWord::Unknown)];
        word(raw, "what null means", &all)
    }
}

/// What becomes of a value that the table does not list.
#[derive(Clone, Copy, Debug)]
pub(super) enum UnlistedWord {
    Leave,
    Keep,
}

impl Leaf for UnlistedWord {
    fn read(raw: Raw<'_>) -> Result<UnlistedWord, Problem> {
        let all = [("leave", UnlistedWord::Leave), ("keep", UnlistedWord::Keep)];
        word(raw, "what to do with a value that is not in the map", &all)
    }
}

/// What the digits of a number count: decimals by which the point is moved.
#[derive(Clone, Copy, Debug)]
pub(super) struct NumberWord(pub(super) i32);

impl Leaf for NumberWord {
    fn read(raw: Raw<'_>) -> Result<NumberWord, Problem> {
        match raw {
            Raw::Bool(true) | Raw::Text("plain") => Ok(NumberWord(0)),
            Raw::Text("percent") => Ok(NumberWord(-2)),
            _ => Err(Problem::expected(
                "true or \"percent\"",
                raw,
                "write true, or \"percent\" where 50 means 0.5",
            )),
        }
    }
}

/// What the digits of an amount count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MoneyWord {
    Major,
    Minor,
    Cents,
    Micros,
    Connect,
}

impl Leaf for MoneyWord {
    fn read(raw: Raw<'_>) -> Result<MoneyWord, Problem> {
        let all = [
            ("major", MoneyWord::Major),
            ("minor", MoneyWord::Minor),
            ("cents", MoneyWord::Cents),
            ("micros", MoneyWord::Micros),
            ("connect", MoneyWord::Connect),
        ];
        word(raw, "a form of money", &all)
    }
}

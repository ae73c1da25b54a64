//! Reading: a TOML text against the shape. What is right becomes a layer for the `config` crate,
//! what is wrong becomes a fault and is left out, so that one pass finds every fault. The place of
//! each key is kept, for faults that show only later.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use config::{Map, Source, Value, ValueKind};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::fault::{ConfigError, Fault, Origin, SourceText};
use super::leaf::{Problem, Raw, clip};
use super::near::{listed, nearest};
use super::shape::{Key, Shape, Shaped, Table};
use super::typed::Settings;

/// Where a key was set.
#[derive(Clone)]
pub(super) enum Place {
    Text { source: usize, span: Range<usize> },
    Variable(String),
}

/// The texts read, the place of every key that was set, and the faults found.
#[derive(Clone, Default)]
pub(super) struct Reader {
    sources: Vec<SourceText>,
    pub(super) places: BTreeMap<String, Place>,
    faults: Vec<Fault>,
}

/// The lines of texts, counted once: of a file with very many rows the line of each is asked for.
pub(super) struct Lines<'r> {
    reader: &'r Reader,
    /// By text: its name, and where each line but the first begins.
    begins: BTreeMap<usize, (Arc<str>, Vec<usize>)>,
}

impl Lines<'_> {
    /// The file in which a key stands, or what holds it, and the line, from 1.
    pub(super) fn of(&mut self, key: &str) -> Option<(Arc<str>, usize)> {
        let Some(Place::Text { source, span }) = self.reader.place(key) else { return None };
        let text = &self.reader.sources[*source];
        let (name, begins) = self.begins.entry(*source).or_insert_with(|| {
            let ends = text.text.match_indices('\n').map(|(at, _)| at + 1);
            (text.name.as_str().into(), ends.collect())
        });
        Some((name.clone(), begins.partition_point(|begin| *begin <= span.start) + 1))
    }
}

/// Values of one layer by top-level key.
#[derive(Clone)]
pub(super) struct Layer(pub(super) Map<String, Value>);

impl std::fmt::Debug for Layer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Values may be secrets.
        f.debug_tuple("Layer").finish_non_exhaustive()
    }
}

impl Source for Layer {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, config::ConfigError> {
        Ok(self.0.clone())
    }
}

/// The table of all sections.
pub(super) fn root() -> &'static Table {
    match Settings::SHAPE {
        Shape::Table(table) => table,
        _ => unreachable!("the settings are declared as a table"),
    }
}

impl Reader {
    /// Reads a text; `None` where it is not TOML. `prefix` stands before its keys, with a dot,
    /// where it is no whole configuration.
    pub(super) fn text(
        &mut self,
        name: &str,
        text: &str,
        shape: &Table,
        prefix: &str,
    ) -> Option<Layer> {
        self.sources.push(SourceText { name: name.to_owned(), text: text.to_owned() });
        let (table, errors) = DeTable::parse_recoverable(text);
        if errors.is_empty() {
            let mut walk = Walk { source: Some(self.sources.len() - 1), reader: self };
            return Some(Layer(walk.table(prefix, table.get_ref(), shape)));
        }
        let mut last_line = None;
        for error in errors {
            let span = error.span().unwrap_or(0..0);
            let fault = self.syntax_fault(error.message(), &span);
            // What follows on the line of an error is mostly its echo.
            if let Origin::File { line, .. } = fault.origin
                && last_line.replace(line) == Some(line)
            {
                continue;
            }
            self.faults.push(fault);
        }
        None
    }

    /// Keeps a text that is no TOML, and returns its number: places in it can be told too.
    pub(super) fn keep(&mut self, name: &str, text: &str) -> usize {
        self.sources.push(SourceText { name: name.to_owned(), text: text.to_owned() });
        self.sources.len() - 1
    }

    /// How many texts were read.
    pub(super) fn sources(&self) -> usize {
        self.sources.len()
    }

    fn syntax_fault(&self, message: &str, span: &Range<usize>) -> Fault {
        let mut lines = message.lines();
        let what = format!("not TOML: {}", lines.next().unwrap_or("cannot be read"));
        let rest = lines.collect::<Vec<_>>().join("; ");
        let mend = match rest.as_str() {
            _ if what.contains("duplicate key") => "keep one of the two".to_owned(),
            "" => "texts stand in quotes, one key = value a line; see https://toml.io".to_owned(),
            rest => rest.to_owned(),
        };
        match self.sources.last() {
            Some(source) => Fault::at(source, span, None, what, mend),
            None => Fault::new(Origin::Default, None, what, mend),
        }
    }

    /// Reads the defaults: keys there count as set by nobody.
    pub(super) fn defaults(&mut self, text: &str) -> Layer {
        let (table, _) = DeTable::parse_recoverable(text);
        Layer(Walk { source: None, reader: self }.table("", table.get_ref(), root()))
    }

    /// Notes that something is wrong with a key. Shown where the key, or what holds it, was set.
    pub(super) fn fault(&mut self, key: &str, what: impl Into<String>, mend: impl Into<String>) {
        let fault = self.fault_at(self.place(key), key, what.into(), mend.into());
        self.faults.push(fault);
    }

    /// The same for a part of a text value: bytes of it. Shown at the whole value where the file
    /// does not have the text as it is, such as behind an escape.
    pub(super) fn fault_in(
        &mut self,
        key: &str,
        text: &str,
        part: Range<usize>,
        what: impl Into<String>,
        mend: impl Into<String>,
    ) {
        let inside = match self.place(key) {
            Some(Place::Text { source, span }) => {
                let raw = self.sources[*source].text.get(span.clone()).unwrap_or_default();
                raw.find(text).map(|at| {
                    let start = span.start + at;
                    Place::Text { source: *source, span: start + part.start..start + part.end }
                })
            }
            _ => None,
        };
        let place = inside.or_else(|| self.place(key).cloned());
        let fault = self.fault_at(place.as_ref(), key, what.into(), mend.into());
        self.faults.push(fault);
    }

    /// The fault, without noting it.
    pub(super) fn fault_for(&self, key: &str, what: String, mend: String) -> Fault {
        self.fault_at(self.place(key), key, what, mend)
    }

    pub(super) fn push_problem(&mut self, place: Option<Place>, key: &str, problem: Problem) {
        let fault = self.fault_at(place.as_ref(), key, problem.what, problem.mend);
        self.faults.push(fault);
    }

    fn fault_at(&self, place: Option<&Place>, key: &str, what: String, mend: String) -> Fault {
        let owned = Some(key.to_owned());
        match place {
            Some(Place::Text { source, span }) => {
                Fault::at(&self.sources[*source], span, owned, what, mend)
            }
            Some(Place::Variable(name)) => {
                // The name of an unknown variable is its own key.
                Fault::new(Origin::Variable(name.clone()), owned.filter(|k| k != name), what, mend)
            }
            None => Fault::new(Origin::Default, owned, what, mend),
        }
    }

    /// Where a key was set, or else the table or array that holds it.
    fn place(&self, key: &str) -> Option<&Place> {
        let mut key = key;
        loop {
            if let Some(place) = self.places.get(key) {
                return Some(place);
            }
            key = &key[..key.rfind(['.', '['])?];
        }
    }

    /// Where a key itself was set.
    pub(super) fn origin(&self, key: &str) -> Origin {
        match self.places.get(key) {
            Some(Place::Text { .. }) => self.fault_for(key, String::new(), String::new()).origin,
            Some(Place::Variable(name)) => Origin::Variable(name.clone()),
            None => Origin::Default,
        }
    }

    /// Looks up on which lines keys stand.
    pub(super) fn lines(&self) -> Lines<'_> {
        Lines { reader: self, begins: BTreeMap::new() }
    }

    /// Whether one of the keys, or what is in them, has a fault already: what follows from it
    /// would be noise.
    pub(super) fn faulty(&self, keys: &[&str]) -> bool {
        self.faults.iter().filter_map(|f| f.key.as_deref()).any(|at| {
            keys.iter().any(|key| {
                at.strip_prefix(key)
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
            })
        })
    }

    pub(super) fn set_place(&mut self, key: &str, place: Option<Place>) {
        let Some(place) = place else { return };
        if self.places.insert(key.to_owned(), place).is_some() {
            // An array replaces the whole array of a lower layer.
            let inside = |k: &str| k.strip_prefix(key).is_some_and(|rest| rest.starts_with('['));
            self.places.retain(|k, _| !inside(k));
        }
    }

    /// All faults in reading order, if there are any.
    pub(super) fn finish(&self) -> Result<(), ConfigError> {
        if self.faults.is_empty() {
            return Ok(());
        }
        let mut faults = self.faults.clone();
        faults.sort_by(|a, b| a.origin.cmp(&b.origin));
        faults.dedup();
        Err(ConfigError::Faults(faults))
    }
}

/// The path of a key in a table.
pub(super) fn child(path: &str, key: &str) -> String {
    let plain =
        !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    let key = if plain { key.to_owned() } else { format!("\"{}\"", clip(key)) };
    if path.is_empty() { key } else { format!("{path}.{key}") }
}

struct Walk<'r> {
    /// Which text; `None` for the defaults.
    source: Option<usize>,
    reader: &'r mut Reader,
}

impl Walk<'_> {
    fn place(&self, span: Range<usize>) -> Option<Place> {
        self.source.map(|source| Place::Text { source, span })
    }

    fn problem(&mut self, path: &str, span: Range<usize>, problem: Problem) {
        let place = self.place(span);
        self.reader.push_problem(place, path, problem);
    }

    fn table(&mut self, path: &str, table: &DeTable<'_>, shape: &Table) -> Map<String, Value> {
        let mut out = Map::new();
        for (key, value) in table {
            let name: &str = key.get_ref();
            let at = child(path, name);
            let found = match (shape.keys.iter().find(|k| k.name == name), &shape.others) {
                (Some(key), _) => Ok(&key.shape),
                (None, Some((rule, inner))) => rule(name).map(|()| inner),
                (None, None) => Err(unknown(path, name, shape.keys, value.get_ref())),
            };
            match found {
                Ok(inner) => {
                    if let Some(value) = self.value(&at, value, inner) {
                        out.insert(name.to_owned(), value);
                    }
                }
                Err(mut problem) => {
                    let is_table = matches!(value.get_ref(), DeValue::Table(_));
                    let wants_table =
                        shape.others.as_ref().is_some_and(|(_, inner)| inner.takes(false));
                    let split = shape.others.is_some() && is_table && !wants_table;
                    if split && in_mapping(path).is_none() {
                        problem.mend =
                            format!("write a name with dots in quotes: \"{}.…\" = …", clip(name));
                    }
                    self.problem(&at, key.span(), problem);
                }
            }
        }
        out
    }

    fn value(&mut self, path: &str, value: &Spanned<DeValue<'_>>, shape: &Shape) -> Option<Value> {
        let place = self.place(value.span());
        self.reader.set_place(path, place);
        match (shape, value.get_ref()) {
            (Shape::Either(single, other), inner) => {
                let fits = match inner {
                    DeValue::Array(_) => other.takes(true),
                    DeValue::Table(_) => other.takes(false),
                    _ => false,
                };
                self.value(path, value, if fits { other } else { single })
            }
            (Shape::Within(shape), _) => self.value(path, value, &shape()),
            (Shape::Leaf(check), inner) => match check(raw(inner)) {
                Ok(()) => Some(Value::new(None, plain(inner))),
                Err(problem) => {
                    self.problem(path, value.span(), problem);
                    None
                }
            },
            (Shape::List(item), DeValue::Array(items)) => {
                let read = items
                    .iter()
                    .enumerate()
                    .filter_map(|(i, v)| self.item(&format!("{path}[{i}]"), v, item));
                Some(Value::new(None, ValueKind::Array(read.collect())))
            }
            (Shape::Table(inner), DeValue::Table(table)) => {
                Some(Value::new(None, ValueKind::Table(self.table(path, table, inner))))
            }
            (_, inner) => {
                self.problem(path, value.span(), wrong_container(path, shape, inner));
                None
            }
        }
    }

    /// An element of an array. A row that lacks what it must have is left out.
    fn item(&mut self, path: &str, value: &Spanned<DeValue<'_>>, shape: &Shape) -> Option<Value> {
        let read = self.value(path, value, shape)?;
        let (Shape::Table(table), DeValue::Table(given)) = (shape, value.get_ref()) else {
            return Some(read);
        };
        let stated = |key: &Key| given.iter().any(|(k, _)| k.get_ref() == key.name);
        for key in table.keys.iter().filter(|k| k.required && !stated(k)) {
            let what = format!("\"{}\" is missing", key.name);
            self.problem(path, value.span(), Problem::new(what, format!("add {} = …", key.name)));
        }
        // A required key that is there but wrong has its own fault already.
        let ValueKind::Table(map) = &read.kind else {
            return Some(read);
        };
        table.keys.iter().all(|k| !k.required || map.contains_key(k.name)).then_some(read)
    }
}

fn raw<'a>(value: &'a DeValue<'_>) -> Raw<'a> {
    match value {
        DeValue::String(text) => Raw::Text(text),
        DeValue::Boolean(b) => Raw::Bool(*b),
        DeValue::Integer(n) => match i64::from_str_radix(n.as_str(), n.radix()) {
            Ok(n) => Raw::Whole(n),
            Err(_) => Raw::Other("a number that is too large"),
        },
        DeValue::Float(_) => Raw::Other("a number with a fraction"),
        DeValue::Datetime(_) => Raw::Other("a date"),
        DeValue::Array(_) => Raw::Other("an array"),
        DeValue::Table(_) => Raw::Other("a table"),
    }
}

fn plain(value: &DeValue<'_>) -> ValueKind {
    match raw(value) {
        Raw::Text(text) => ValueKind::String(text.to_owned()),
        Raw::Whole(n) => ValueKind::I64(n),
        Raw::Bool(b) => ValueKind::Boolean(b),
        Raw::Other(_) => ValueKind::Nil,
    }
}

/// The path of a key inside a mapping, as the file of the mapping has it.
fn in_mapping(path: &str) -> Option<&str> {
    match path.split_once("mapping") {
        Some(("", rest)) => rest.strip_prefix('.').or(Some(rest)),
        Some((source, rest)) if source.starts_with("sources[") => {
            rest.strip_prefix('.').or(Some(rest))
        }
        _ => None,
    }
}

fn wrong_container(path: &str, shape: &Shape, value: &DeValue<'_>) -> Problem {
    let found = raw(value);
    let path = in_mapping(path).unwrap_or(path);
    match (shape, value) {
        (Shape::List(Shape::Table(_)), DeValue::Table(_)) => Problem::expected(
            "an array of tables",
            found,
            format!("write [[{path}]], with two brackets, above each entry"),
        ),
        (Shape::List(Shape::Table(_)), _) => Problem::expected(
            "an array of tables",
            found,
            format!("write [[{path}]] above each entry"),
        ),
        (Shape::List(_), DeValue::String(text)) => Problem::expected(
            "an array",
            found,
            format!("write it in brackets: [\"{}\"]", clip(text)),
        ),
        (Shape::List(_), _) => Problem::expected(
            "an array",
            found,
            "write it in brackets, its items joined by commas: [\"…\", \"…\"]",
        ),
        (_, DeValue::Array(_)) => {
            Problem::expected("a table", found, format!("write [{path}], with one bracket, once"))
        }
        _ => Problem::expected(
            "a table",
            found,
            format!("write [{path}] on a line of its own, and its keys below"),
        ),
    }
}

fn unknown(path: &str, name: &str, keys: &[Key], value: &DeValue<'_>) -> Problem {
    let shown = clip(name);
    if let Some(property) = path.strip_prefix("kafka.properties.") {
        if property.starts_with('"') {
            let what = format!("unknown key \"{shown}\" of the secret {property}");
            return Problem::new(what, "write either { file = \"/path\" } or { env = \"NAME\" }");
        }
        let more = if matches!(value, DeValue::Table(_)) { ".…" } else { "" };
        let what =
            format!("the name of the property \"{property}.{shown}{more}\" is split at its dots");
        return Problem::new(what, format!("write it in quotes: \"{property}.{shown}{more}\" = …"));
    }
    let what = match path {
        "" if matches!(value, DeValue::Table(_) | DeValue::Array(_)) => {
            format!("unknown section [{shown}]")
        }
        "" => format!("unknown key \"{shown}\" outside of any section"),
        _ => format!("unknown key \"{shown}\" in [{path}]"),
    };
    let mend = if let Some(near) = nearest(name, keys.iter().map(|k| k.name)) {
        format!("did you mean \"{near}\"?")
    } else if let Some(section) = owner(name).filter(|_| in_mapping(path).is_none()) {
        format!("\"{shown}\" is a key of [{section}]")
    } else {
        format!("the keys here are {}", listed(keys.iter().map(|k| k.name)))
    };
    Problem::new(what, mend)
}

/// The section that has a key of this name.
fn owner(name: &str) -> Option<&'static str> {
    root()
        .keys
        .iter()
        .find(|s| matches!(s.shape, Shape::Table(t) if t.keys.iter().any(|k| k.name == name)))
        .map(|s| s.name)
}

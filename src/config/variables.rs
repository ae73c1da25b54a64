//! Environment variables `TIDEMARK_SECTION__KEY`: the top layer.
//!
//! They are read by the shape rather than by `config::Environment`, because its `try_parsing` turns
//! texts such as `1e3` or `inf` into numbers, and because a name that nobody knows must be a fault.

use config::{Map, Value, ValueKind};

use super::leaf::{Problem, Raw, clip};
use super::near::nearest;
use super::read::{Layer, Place, Reader, root};
use super::shape::Shape;

/// What all names begin with.
const PREFIX: &str = "TIDEMARK_";

/// Names that scripts and the logger read; they are no keys.
const EXEMPT: [&str; 13] = [
    "TIDEMARK_CACHE",
    "TIDEMARK_CHAOS_MINUTES",
    "TIDEMARK_CHAOS_SEED",
    "TIDEMARK_SKIP_BROWSER",
    "TIDEMARK_SKIP_ORACLE",
    "TIDEMARK_SHARED",
    "TIDEMARK_SEED",
    "TIDEMARK_SKIP_KAFKA",
    "TIDEMARK_LOG",
    "TIDEMARK_KAFKA_DIR",
    "TIDEMARK_KAFKA_TIMEOUT",
    "TIDEMARK_KAFKA_VERSION",
    "TIDEMARK_DATA",
];

/// A key that a variable can set.
struct Variable {
    name: String,
    section: &'static str,
    key: &'static str,
    shape: Shape,
}

/// All of them.
fn variables() -> Vec<Variable> {
    let mut out = Vec::new();
    for section in root().keys {
        let Shape::Table(table) = section.shape else {
            continue;
        };
        for key in table.keys.iter().filter(|k| k.shape.fits_variable()) {
            out.push(Variable {
                name: variable(section.name, key.name),
                section: section.name,
                key: key.name,
                shape: key.shape,
            });
        }
    }
    out
}

fn variable(section: &str, key: &str) -> String {
    format!("{PREFIX}{}__{}", section.to_uppercase(), key.to_uppercase())
}

/// The names of all variables, for docs and completions.
pub(super) fn names() -> Vec<String> {
    variables().into_iter().map(|v| v.name).collect()
}

impl Reader {
    /// Reads the environment.
    pub(super) fn variables(&mut self, env: impl Iterator<Item = (String, String)>) -> Layer {
        let known = variables();
        let mut env: Vec<_> = env.filter(|(name, _)| name.starts_with(PREFIX)).collect();
        env.sort();
        let mut layer: Map<String, Value> = Map::new();
        for (name, value) in &env {
            let place = Some(Place::Variable(name.clone()));
            let Some(found) = known.iter().find(|v| v.name == *name) else {
                if !EXEMPT.contains(&name.as_str()) && !is_service_link(name, value) {
                    self.push_problem(place, name, unknown(name, &known));
                }
                continue;
            };
            let path = format!("{}.{}", found.section, found.key);
            match take(value, &found.shape) {
                Ok(kind) => {
                    self.set_place(&path, place);
                    let section = layer
                        .entry(found.section.to_owned())
                        .or_insert_with(|| Value::new(None, ValueKind::Table(Map::new())));
                    if let ValueKind::Table(keys) = &mut section.kind {
                        keys.insert(found.key.to_owned(), Value::new(None, kind));
                    }
                }
                Err(problem) => self.push_problem(place, &path, problem),
            }
        }
        Layer(layer)
    }
}

/// The value of a variable, by the shape of its key: lists are joined by commas.
fn take(value: &str, shape: &Shape) -> Result<ValueKind, Problem> {
    match shape {
        Shape::List(item) => value
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty())
            .map(|part| take(part, item).map(|kind| Value::new(None, kind)))
            .collect::<Result<_, _>>()
            .map(ValueKind::Array),
        Shape::Either(single, _) => take(value, single),
        Shape::Leaf(check) => {
            let number = value.parse().ok().map(|n| (Raw::Whole(n), ValueKind::I64(n)));
            let boolean = value.parse().ok().map(|b| (Raw::Bool(b), ValueKind::Boolean(b)));
            let text = Some((Raw::Text(value), ValueKind::String(value.to_owned())));
            let mut first = None;
            for (raw, kind) in [number, boolean, text].into_iter().flatten() {
                match check(raw) {
                    Ok(()) => return Ok(kind),
                    Err(problem) => first = first.or(Some(problem)),
                }
            }
            Err(first.unwrap_or_else(|| Problem::new("cannot be read", "see config/default.toml")))
        }
        Shape::Table(_) | Shape::Within(_) => Err(Problem::new("is a table", "set it in the file")),
    }
}

fn unknown(name: &str, known: &[Variable]) -> Problem {
    let what = format!("unknown environment variable {}", clip(name));
    let one = |name: &str| name.replace("__", "_");
    if let Some(meant) = known.iter().find(|v| one(&v.name) == one(name)) {
        let mend = format!(
            "two underscores stand between section and key, one behind TIDEMARK: {}",
            meant.name
        );
        return Problem::new(what, mend);
    }
    if let Some(path) = table_in(name) {
        return Problem::new(
            what,
            format!(
                "{path} is a table: set it in the file; a secret can be taken from a variable of any name by {{ env = \"NAME\" }}"
            ),
        );
    }
    let candidates = known.iter().map(|v| v.name.as_str()).chain(EXEMPT);
    let mend = match nearest(&name[PREFIX.len()..], candidates.map(|c| &c[PREFIX.len()..])) {
        Some(near) => format!("did you mean {PREFIX}{near}?"),
        None => "unset it, or write TIDEMARK_SECTION__KEY, such as TIDEMARK_KAFKA__BROKERS; config/default.toml lists all keys".to_owned(),
    };
    Problem::new(what, mend)
}

/// The table or array of tables that a variable would reach into.
fn table_in(name: &str) -> Option<String> {
    let inside = |whole: &str| {
        name == whole || name.strip_prefix(whole).is_some_and(|rest| rest.starts_with('_'))
    };
    for section in root().keys {
        match section.shape {
            Shape::Table(table) => {
                let key = table
                    .keys
                    .iter()
                    .filter(|k| !k.shape.fits_variable())
                    .find(|k| inside(&variable(section.name, k.name)));
                if let Some(key) = key {
                    return Some(format!("{}.{}", section.name, key.name));
                }
            }
            _ if inside(&format!("{PREFIX}{}", section.name.to_uppercase())) => {
                return Some(section.name.to_owned());
            }
            _ => {}
        }
    }
    None
}

/// Whether the variable is one of those that Kubernetes (and Docker links) put into every
/// container for a service whose name begins with "tidemark". Refusing them would refuse to start
/// behind a service of the obvious name.
fn is_service_link(name: &str, value: &str) -> bool {
    if name.contains("__") {
        return false;
    }
    let is_url = ["tcp://", "udp://", "sctp://"].iter().any(|scheme| value.starts_with(scheme));
    let is_port = value.parse::<u16>().is_ok();
    name.ends_with("_SERVICE_HOST")
        || (name.contains("_SERVICE_PORT") && is_port)
        || (name.ends_with("_PORT") && is_url)
        || is_port_of_service(name)
}

/// `…_PORT_9092_TCP`, with or without `_ADDR`, `_PROTO` or `_PORT` behind it.
fn is_port_of_service(name: &str) -> bool {
    let stem =
        ["_ADDR", "_PROTO", "_PORT"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
    let mut parts = stem.rsplit('_');
    matches!(parts.next(), Some("TCP" | "UDP" | "SCTP"))
        && parts.next().is_some_and(|port| port.parse::<u16>().is_ok())
        && parts.next() == Some("PORT")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_of_services_are_known() {
        for (name, value) in [
            ("TIDEMARK_SERVICE_HOST", "10.0.0.1"),
            ("TIDEMARK_SERVICE_PORT", "9464"),
            ("TIDEMARK_SERVICE_PORT_HTTP", "9464"),
            ("TIDEMARK_PORT", "tcp://10.0.0.1:9464"),
            ("TIDEMARK_PORT_9464_TCP", "tcp://10.0.0.1:9464"),
            ("TIDEMARK_PORT_9464_TCP_ADDR", "10.0.0.1"),
            ("TIDEMARK_KAFKA_PORT_9092_TCP_PORT", "9092"),
            ("TIDEMARK_KAFKA_PORT_9092_TCP_PROTO", "tcp"),
        ] {
            assert!(is_service_link(name, value), "{name}");
        }
        for (name, value) in [
            ("TIDEMARK_KAFKA_BROKERS", "kafka:9092"),
            ("TIDEMARK_HTTP__LISTEN_PORT", "tcp://x"),
            ("TIDEMARK_HTTP_PORT", "9464"),
            ("TIDEMARK_EXPORT_X", "1"),
        ] {
            assert!(!is_service_link(name, value), "{name}");
        }
    }

    #[test]
    fn lists_are_joined_by_commas_and_texts_stay_texts() {
        let shape = |name: &str| variables().into_iter().find(|v| v.name == name).unwrap().shape;
        let list = take("24h, 7d,", &shape("TIDEMARK_WINDOWS__ROLLING")).unwrap();
        assert!(matches!(list, ValueKind::Array(items) if items.len() == 2));
        let name = take("1e3", &shape("TIDEMARK_APP__NAME")).unwrap();
        assert_eq!(name, ValueKind::String("1e3".to_owned()));
        assert_eq!(take("4", &shape("TIDEMARK_TOPOLOGY__SHARDS")).unwrap(), ValueKind::I64(4));
    }
}

//! Which metrics a query names: enough of PromQL for that.
#![allow(dead_code, reason = "each test program uses a part of it")]

use std::collections::BTreeSet;

/// Words of PromQL that stand where a name may.
const WORDS: [&str; 15] = [
    "by",
    "without",
    "on",
    "ignoring",
    "and",
    "or",
    "unless",
    "group_left",
    "group_right",
    "bool",
    "offset",
    "inf",
    "nan",
    "atan2",
    "start",
];
/// After these stands a list of labels.
const BEFORE_LABELS: [&str; 6] = ["by", "without", "on", "ignoring", "group_left", "group_right"];

/// What a variable of a board asks: of the labels of series, or of what a query results in.
pub fn of_variable(query: &str) -> &str {
    match query.strip_prefix("query_result(") {
        Some(query) => query.strip_suffix(')').unwrap(),
        None => query.strip_prefix("label_values(").unwrap().rsplit_once(", ").unwrap().0,
    }
}

/// The names that a query reads. One that picks by a pattern of names has `~` and the pattern.
pub fn metrics(query: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut rest = query;
    let mut labels = false;
    while let Some(c) = rest.chars().next() {
        if c.is_ascii_alphabetic() || c == '_' || c == ':' {
            let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':'));
            let (word, behind) = rest.split_at(end.unwrap_or(rest.len()));
            let next = behind.trim_start();
            // A function, or an aggregation with its labels in front.
            let called = ["(", "by ", "without "].iter().any(|open| next.starts_with(open));
            labels = BEFORE_LABELS.contains(&word) && called;
            if !called && !WORDS.contains(&word) {
                names.insert(word.to_owned());
            }
            rest = behind;
        } else if c == '{' {
            let (matchers, behind) = rest.split_at(end_of(rest, '}'));
            if let Some(pattern) = matchers.split("__name__=~\"").nth(1) {
                names.insert(format!("~{}", pattern.split('"').next().unwrap_or_default()));
            }
            rest = behind;
        } else if c == '[' {
            rest = &rest[end_of(rest, ']')..];
        } else if c == '"' {
            let end = rest[1..].find('"').map_or(rest.len(), |end| end + 2);
            rest = &rest[end..];
        } else if c == '(' && labels {
            labels = false;
            rest = &rest[end_of(rest, ')')..];
        } else if c.is_ascii_digit() {
            // A number, or a duration with its unit.
            let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '.'));
            rest = &rest[end.unwrap_or(rest.len())..];
        } else {
            rest = &rest[c.len_utf8()..];
        }
    }
    names
}

/// Behind the closing bracket; quoted ones do not count.
fn end_of(text: &str, close: char) -> usize {
    let mut quoted = false;
    for (at, c) in text.char_indices() {
        quoted ^= c == '"';
        if c == close && !quoted {
            return at + c.len_utf8();
        }
    }
    text.len()
}

#[test]
fn names_are_told_from_the_words_around_them() {
    let names = |query| metrics(query).into_iter().collect::<Vec<_>>().join(" ");
    assert_eq!(
        names("sum by (job, code) (increase(a_total{x=\"}{\"}[15m])) > 10 and on (job) r:b:c"),
        "a_total r:b:c"
    );
    assert_eq!(names("time() - min by (s) (w) > 1e3 or vector(0)"), "w");
    assert_eq!(
        names("x * on (instance) group_left (v) label_replace(y, \"v\", \"$1\", \"z\", \"(.+)\")"),
        "x y"
    );
    assert_eq!(names("max without (i) ({__name__=~\"a_.+_b\", k=\"v\"}) == 2"), "~a_.+_b");
    assert_eq!(names("p unless max_over_time(p[15m] offset 15m)"), "p");
}

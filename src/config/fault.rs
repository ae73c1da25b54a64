//! Faults of a configuration, as a person reads them: where, what, and how to mend it.

use std::fmt;
use std::ops::Range;
use std::path::PathBuf;

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration \"{}\": {source}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It has faults: all of them, in the order of the file.
    #[error("{}", Report(.0))]
    Faults(Vec<Fault>),
}

impl ConfigError {
    /// The faults one by one, for machine output; none where the file could not be read.
    pub fn faults(&self) -> &[Fault] {
        match self {
            ConfigError::Read { .. } => &[],
            ConfigError::Faults(faults) => faults,
        }
    }
}

/// Where a setting comes from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// A file.
    File {
        /// Its name, as it was given.
        name: String,
        /// Line, from 1.
        line: usize,
        /// Column in characters, from 1.
        column: usize,
    },
    /// An environment variable.
    Variable(String),
    /// Nobody set it.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::File { name, line, column } => write!(f, "{name}:{line}:{column}"),
            Origin::Variable(name) => write!(f, "environment variable {name}"),
            Origin::Default => f.write_str("default"),
        }
    }
}

/// One fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Where it is.
    pub origin: Origin,
    /// The key, such as `kafka.brokers`; `None` for a file that is not TOML.
    pub key: Option<String>,
    /// What is wrong.
    pub what: String,
    /// How to mend it.
    pub mend: String,
    /// The line, with what is marked in it.
    excerpt: Option<Excerpt>,
}

impl Fault {
    /// A fault without a line to show.
    pub(super) fn new(origin: Origin, key: Option<String>, what: String, mend: String) -> Fault {
        Fault { origin, key, what, mend, excerpt: None }
    }

    /// A fault in a text.
    pub(super) fn at(
        source: &SourceText,
        span: &Range<usize>,
        key: Option<String>,
        what: String,
        mend: String,
    ) -> Fault {
        let (origin, excerpt) = source.locate(span);
        Fault { origin, key, what, mend, excerpt: Some(excerpt) }
    }
}

/// Shown like the messages of rustc.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "error: {}", self.what)?;
        let width = match &self.origin {
            Origin::File { line, .. } => line.to_string().len(),
            _ => 1,
        };
        writeln!(f, "{:width$}--> {}", "", self.origin)?;
        if let (Some(excerpt), Origin::File { line, .. }) = (&self.excerpt, &self.origin) {
            writeln!(f, "{:width$} |", "")?;
            writeln!(f, "{line} | {}", excerpt.line)?;
            writeln!(
                f,
                "{:width$} | {:skip$}{}",
                "",
                "",
                "^".repeat(excerpt.marked),
                skip = excerpt.skipped
            )?;
        }
        if let Some(key) = &self.key {
            writeln!(f, "{:width$} = key: {key}", "")?;
        }
        write!(f, "{:width$} = help: {}", "", self.mend)
    }
}

struct Report<'a>(&'a [Fault]);

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for fault in self.0 {
            writeln!(f, "{fault}\n")?;
        }
        match self.0.len() {
            1 => f.write_str("1 error in the configuration"),
            n => write!(f, "{n} errors in the configuration"),
        }
    }
}

/// A line of a file and a mark in it, in characters.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Excerpt {
    line: String,
    skipped: usize,
    marked: usize,
}

/// A file that was read.
#[derive(Clone)]
pub(super) struct SourceText {
    pub(super) name: String,
    pub(super) text: String,
}

/// Longest line shown; a longer one is cut around the mark.
const SHOWN: usize = 100;

impl SourceText {
    /// The place of a span, and its line.
    fn locate(&self, span: &Range<usize>) -> (Origin, Excerpt) {
        let floor = |i: usize| {
            (0..=i.min(self.text.len())).rev().find(|i| self.text.is_char_boundary(*i)).unwrap_or(0)
        };
        let (start, end) = (floor(span.start), floor(span.end));
        let line_start = self.text[..start].rfind('\n').map_or(0, |i| i + 1);
        let line_end = self.text[start..].find('\n').map_or(self.text.len(), |i| start + i);
        let line = self.text[line_start..line_end].trim_end_matches('\r');
        let column = self.text[line_start..start].chars().count();
        let marked = self.text[start..end.clamp(start, line_end)].chars().count().max(1);
        let number = self.text[..line_start].matches('\n').count() + 1;
        let origin = Origin::File { name: self.name.clone(), line: number, column: column + 1 };
        (origin, self.excerpt(line, line_start, column, marked))
    }

    fn excerpt(&self, line: &str, line_start: usize, column: usize, marked: usize) -> Excerpt {
        if self.may_hold_secret(line, line_start) {
            let key = line.split_once('=').map_or("", |(key, _)| key);
            let key_width = key.chars().count();
            let shown =
                if key.is_empty() { "[redacted]".to_owned() } else { format!("{key}= [redacted]") };
            return match column < key_width {
                true => {
                    Excerpt { line: shown, skipped: column, marked: marked.min(key_width - column) }
                }
                false => {
                    let skipped = if key.is_empty() { 0 } else { key_width + 2 };
                    Excerpt { line: shown, skipped, marked: "[redacted]".len() }
                }
            };
        }
        let from = if column + marked > SHOWN { column.saturating_sub(SHOWN / 2) } else { 0 };
        let line = line
            .chars()
            .skip(from)
            .take(SHOWN)
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect();
        Excerpt {
            line,
            skipped: column - from,
            marked: marked.min(SHOWN - (column - from).min(SHOWN - 1)),
        }
    }

    /// Whether a line may not be shown: it names a secret, or stands among the broker's properties.
    fn may_hold_secret(&self, line: &str, line_start: usize) -> bool {
        const WORDS: [&str; 7] =
            ["password", "secret", "token", "credential", "jaas", "pem", "properties ="];
        let lower = line.to_lowercase();
        if lower.trim_start().starts_with('[') {
            return false;
        }
        let header =
            self.text[..line_start].lines().rev().find(|l| l.trim_start().starts_with('['));
        WORDS.iter().any(|word| lower.contains(word))
            || header.is_some_and(|h| h.trim_start().starts_with("[kafka.properties"))
            // The URL of a receiver may be one.
            || lower.contains("receivers =")
            || (header.is_some_and(|h| h.trim_start().trim_start_matches('[').starts_with("alerts"))
                && (lower.contains("url") || !lower.contains('=')))
            // A line inside an array of secrets does not name it.
            || (!lower.contains('=')
                && header.is_some_and(|h| h.trim_start().starts_with("[[hooks.endpoint")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(text: &str, marked: &str) -> String {
        let source = SourceText { name: "t.toml".to_owned(), text: text.to_owned() };
        let start = text.find(marked).unwrap();
        let span = start..start + marked.len();
        Fault::at(&source, &span, None, "wrong".to_owned(), "mend it".to_owned()).to_string()
    }

    #[test]
    fn the_mark_stands_under_the_characters_also_behind_wide_text() {
        insta::assert_snapshot!(show("[a]\nname = \"Zürich\" # x\nb = 1\n", "\"Zürich\""), @r#"
        error: wrong
         --> t.toml:2:8
          |
        2 | name = "Zürich" # x
          |        ^^^^^^^^
          = help: mend it
        "#);
    }

    #[test]
    fn secrets_are_never_shown() {
        let shown = show("[kafka.properties]\n\"group.id\" = \"hunter2\"\n", "\"hunter2\"");
        insta::assert_snapshot!(shown, @r#"
        error: wrong
         --> t.toml:2:14
          |
        2 | "group.id" = [redacted]
          |              ^^^^^^^^^^
          = help: mend it
        "#);
        assert!(!show("\"sasl.password\" = \"hunter2\n", "hunter2").contains("hunter2"));
        assert!(
            !show("[kafka]\nproperties = { \"ssl.x\" = \"hunter2\" }", "hunter2")
                .contains("hunter2")
        );
        assert!(
            !show("[kafka.properties]\n\"ssl.key.pem\" = \"\"\"\nhunter2\n\"\"\"", "hunter2")
                .contains("hunter2")
        );
    }

    #[test]
    fn a_long_line_is_cut_around_the_mark() {
        let shown = show(
            &format!("a = [{}\"here\", {}]", "1, ".repeat(100), "2, ".repeat(100)),
            "\"here\"",
        );
        let lines: Vec<&str> = shown.lines().collect();
        let at = lines[4].find('^').unwrap();
        assert!(lines[3].len() < 120);
        assert!(lines[3][at..].starts_with("\"here\""));
    }
}

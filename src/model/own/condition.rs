//! Conditions over the texts that an entity holds: tests, joined by and, or, not. Every condition is
//! true or false of every entity: what is unknown is equal to nothing.

use std::fmt::Write as _;

use super::field_name;
use crate::model::event::FieldName;

/// What is asked of an entity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// A text field, as it was stated last.
    Field(FieldName<'static>),
    /// A dimension, as what happened is credited: one of [`CREDITED`](super::CREDITED).
    Credited(&'static str),
}

/// One test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Test {
    /// What is looked at.
    pub asked: Asked,
    /// What it must be one of, in lower case and sorted; anything that is known without them.
    pub values: Option<Vec<String>>,
}

impl Test {
    /// Whether it holds of a text; `None` is unknown, and so is a blank one. Upper and lower case make
    /// no difference.
    pub fn holds(&self, text: Option<&str>) -> bool {
        let Some(text) = text.filter(|text| !text.trim().is_empty()) else { return false };
        self.values.as_ref().is_none_or(|values| {
            values.iter().any(|value| text.chars().flat_map(char::to_lowercase).eq(value.chars()))
        })
    }
}

/// A step of a condition: operands come before what joins them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The test of this number.
    Test(usize),
    /// The opposite.
    Not,
    /// Both.
    And,
    /// Either.
    Or,
}

/// A condition; the empty one holds of everything.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Condition {
    pub(super) tests: Vec<Test>,
    pub(super) steps: Vec<Step>,
    pub(super) text: String,
}

impl Condition {
    /// Its tests.
    pub fn tests(&self) -> &[Test] {
        &self.tests
    }

    /// As it was written, on one line.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The fields that it asks for.
    pub fn fields(&self) -> impl Iterator<Item = &FieldName<'static>> {
        self.tests.iter().filter_map(|test| match &test.asked {
            Asked::Field(field) => Some(field),
            Asked::Credited(_) => None,
        })
    }

    /// Whether it holds, where `text` gives what each test looks at by the test's number.
    pub fn holds<'t>(&self, text: impl Fn(usize) -> Option<&'t str>) -> bool {
        // A bit an operand: there are no more of them than tests, of which there are at most
        // MAX_TESTS.
        let mut stack = 1u64;
        for (i, step) in self.steps.iter().enumerate() {
            let top = stack & 1;
            stack = match step {
                Step::Test(test) => {
                    let holds = self.tests[*test].holds(text(*test));
                    let below = if i == 0 { 0 } else { stack << 1 };
                    below | u64::from(holds)
                }
                Step::Not => stack ^ 1,
                Step::And => (stack >> 1) & (!1 | top),
                Step::Or => (stack >> 1) | top,
            };
        }
        stack & 1 == 1
    }

    /// What it says, spelled in one way.
    pub(super) fn meaning(&self) -> String {
        let mut out = String::new();
        for step in &self.steps {
            let _ = match step {
                Step::Test(i) => {
                    let Test { asked, values } = &self.tests[*i];
                    let name = match asked {
                        Asked::Field(field) => field_name(field),
                        Asked::Credited(dimension) => (*dimension).to_owned(),
                    };
                    match values {
                        None => write!(out, "{name} known;"),
                        Some(values) => {
                            // With their lengths, so that no text is taken for two.
                            let all = values.iter().map(|v| format!(" {}:{v}", v.len()));
                            write!(out, "{name} in{};", all.collect::<String>())
                        }
                    }
                }
                Step::Not => write!(out, "not;"),
                Step::And => write!(out, "and;"),
                Step::Or => write!(out, "or;"),
            };
        }
        out
    }
}

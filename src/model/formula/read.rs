//! A formula's text as steps in the order in which they are done: operands before their operator
//! (Dijkstra's shunting yard). One pass over the text, without recursion.

use std::ops::Range;

use super::{Fault, MAX_CHARS, Operator};
use crate::model::money::Exact;

/// One step as written, and where it stands in the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// What is done.
    pub what: What,
    /// Bytes of the text.
    pub at: Range<usize>,
}

/// What a step does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// Takes a number.
    Number(Exact),
    /// Takes a measure or a KPI of this name.
    Name(String),
    /// Negates what was taken last.
    Negate,
    /// Joins what was taken last with what was taken before it.
    Join(Operator),
}

/// What waits for its right operand.
enum Waiting {
    Open,
    Negate,
    Join(Operator),
}

impl Waiting {
    /// What binds tighter is done first; a parenthesis holds everything back.
    fn rank(&self) -> u8 {
        match self {
            Waiting::Open => 0,
            Waiting::Join(Operator::Plus | Operator::Minus) => 1,
            Waiting::Join(Operator::Times | Operator::Over) => 2,
            Waiting::Negate => 3,
        }
    }
}

/// Reads a text.
pub fn read(text: &str) -> Result<Vec<Written>, Fault> {
    if text.len() > MAX_CHARS {
        let what = format!("the formula has more than {MAX_CHARS} characters");
        let mend = "give a part of it a name of its own, and use that name here";
        return Err(Fault::new(0..text.len(), what, mend));
    }
    let mut reader =
        Reader { text, next: 0, done: Vec::new(), waiting: Vec::new(), wants_operand: true };
    while let Some(at) = reader.skip_blanks() {
        reader.word(at)?;
    }
    reader.finish()
}

struct Reader<'t> {
    text: &'t str,
    next: usize,
    done: Vec<Written>,
    waiting: Vec<(Waiting, Range<usize>)>,
    wants_operand: bool,
}

const OPERAND: &str = "write the name of a KPI or a measure there, or a number";
const OPERATOR: &str = "write one of + - * / between them";

impl Reader<'_> {
    /// Where the next word begins.
    fn skip_blanks(&mut self) -> Option<usize> {
        let rest = &self.text[self.next..];
        self.next += rest.len() - rest.trim_start().len();
        (self.next < self.text.len()).then_some(self.next)
    }

    /// The run of such characters that begins here.
    fn run(&mut self, from: usize, such: impl Fn(char) -> bool) -> Range<usize> {
        let rest = &self.text[from..];
        let length = rest.find(|c| !such(c)).unwrap_or(rest.len());
        self.next = from + length;
        from..self.next
    }

    fn word(&mut self, at: usize) -> Result<(), Fault> {
        let first = self.text[at..].chars().next().unwrap_or(' ');
        if first.is_ascii_alphabetic() || first == '_' {
            let at = self.run(at, |c| c.is_ascii_alphanumeric() || c == '_');
            let name = self.text[at.clone()].to_owned();
            return self.operand(What::Name(name), at);
        }
        if first.is_ascii_digit() || first == '.' {
            let at = self.run(at, |c| c.is_ascii_alphanumeric() || c == '.' || c == '_');
            let Ok(number) = self.text[at.clone()].parse::<Exact>() else {
                let what =
                    format!("\"{}\" is not a number that can be kept", &self.text[at.clone()]);
                let mend = "write digits, and up to 12 decimals behind a point: 0.25";
                return Err(Fault::new(at, what, mend));
            };
            return self.operand(What::Number(number), at);
        }
        self.next = at + first.len_utf8();
        let at = at..self.next;
        match first {
            '(' => self.open(at),
            ')' => self.close(at),
            '-' if self.wants_operand => {
                self.waiting.push((Waiting::Negate, at));
                Ok(())
            }
            '+' => self.join(Operator::Plus, at),
            '-' => self.join(Operator::Minus, at),
            '*' => self.join(Operator::Times, at),
            '/' => self.join(Operator::Over, at),
            other => {
                let mend = match other {
                    '×' | '·' => "write * for \"times\"",
                    '÷' | ':' | '%' => "write / for \"divided by\"",
                    '−' | '–' => "write - for \"minus\"",
                    '^' => "write the product out: a * a",
                    _ => "a formula has names, numbers, + - * / and parentheses",
                };
                let shown = if other.is_control() { ' ' } else { other };
                Err(Fault::new(at, format!("\"{shown}\" means nothing in a formula"), mend))
            }
        }
    }

    fn operand(&mut self, what: What, at: Range<usize>) -> Result<(), Fault> {
        if !self.wants_operand {
            let what = format!("an operator is missing before \"{}\"", &self.text[at.clone()]);
            return Err(Fault::new(at, what, OPERATOR));
        }
        self.done.push(Written { what, at });
        self.wants_operand = false;
        Ok(())
    }

    fn open(&mut self, at: Range<usize>) -> Result<(), Fault> {
        if !self.wants_operand {
            return Err(Fault::new(at, "an operator is missing before \"(\"", OPERATOR));
        }
        self.waiting.push((Waiting::Open, at));
        Ok(())
    }

    fn close(&mut self, at: Range<usize>) -> Result<(), Fault> {
        if self.wants_operand {
            return Err(Fault::new(at, "something is missing before \")\"", OPERAND));
        }
        self.do_waiting(1);
        match self.waiting.pop() {
            Some((Waiting::Open, _)) => Ok(()),
            _ => Err(Fault::new(at, "this \")\" closes nothing", "remove it, or open one before")),
        }
    }

    fn join(&mut self, operator: Operator, at: Range<usize>) -> Result<(), Fault> {
        if self.wants_operand {
            let what = format!("something is missing before \"{}\"", operator.as_str());
            return Err(Fault::new(at, what, OPERAND));
        }
        let waits = Waiting::Join(operator);
        self.do_waiting(waits.rank());
        self.waiting.push((waits, at));
        self.wants_operand = true;
        Ok(())
    }

    /// Does what waits and binds at least so tightly.
    fn do_waiting(&mut self, rank: u8) {
        while let Some((waits, at)) = self.waiting.pop_if(|(waits, _)| waits.rank() >= rank) {
            let what = match waits {
                Waiting::Join(operator) => What::Join(operator),
                _ => What::Negate,
            };
            self.done.push(Written { what, at });
        }
    }

    fn finish(mut self) -> Result<Vec<Written>, Fault> {
        if self.wants_operand {
            let what = match self.text.trim() {
                "" => "the formula is empty",
                _ => "the formula ends where something is missing",
            };
            // The last character: behind the text there is nothing to mark.
            let last = self.text.char_indices().next_back().map_or(0, |(i, _)| i);
            return Err(Fault::new(last..self.text.len(), what, OPERAND));
        }
        self.do_waiting(1);
        match self.waiting.pop() {
            None => Ok(self.done),
            Some((_, at)) => {
                Err(Fault::new(at, "this \"(\" is not closed", "add a \")\" where it ends"))
            }
        }
    }
}

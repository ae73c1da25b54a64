//! The text of a condition as steps, operands before what joins them (Dijkstra's shunting yard). One
//! pass over the text, without recursion.

use std::ops::Range;

use super::condition::{Asked, Condition, Step, Test};
use crate::model::formula::Fault;

/// Longest text, characters. It bounds the values too.
pub const MAX_CHARS: usize = 1_000;
/// Most tests in one condition: all of them are done for every event of the type.
pub const MAX_TESTS: usize = 32;

const TEST: &str = "write a field and what it must be: kind = 'meeting', plan in ('pro', 'team'), \
                    x.industry is known";
const JOIN: &str = "write \"and\" or \"or\" between them";
const VALUE: &str = "write the text in single quotes: 'meeting'";

/// What a condition is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    Text(String),
    Sign(&'static str),
}

/// What waits for its right operand.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Waiting {
    Open,
    Or,
    And,
    Not,
}

/// Reads a text. `ask` says what a name stands for, or what is wrong with it and how to mend that.
pub fn read(
    text: &str,
    ask: impl FnMut(&str) -> Result<Asked, (String, String)>,
) -> Result<Condition, Fault> {
    if text.chars().count() > MAX_CHARS {
        let what = format!("the condition has more than {MAX_CHARS} characters");
        return Err(fault(
            0..text.len(),
            what,
            "make two measures of it, and add them in formulas",
        ));
    }
    let tokens = Lexer { text, next: 0 }.tokens()?;
    let out = Condition {
        text: text.split_whitespace().collect::<Vec<_>>().join(" "),
        ..Condition::default()
    };
    let last = text.char_indices().next_back().map_or(0, |(i, _)| i);
    let end = last..text.len();
    Reader { tokens: &tokens, next: 0, end, out, waiting: Vec::new(), ask }.condition()
}

fn fault(at: Range<usize>, what: impl Into<String>, mend: impl Into<String>) -> Fault {
    Fault { at, what: what.into(), mend: mend.into() }
}

struct Lexer<'t> {
    text: &'t str,
    next: usize,
}

impl Lexer<'_> {
    fn tokens(mut self) -> Result<Vec<(Token, Range<usize>)>, Fault> {
        let mut out = Vec::new();
        loop {
            let rest = &self.text[self.next..];
            self.next += rest.len() - rest.trim_start().len();
            let rest = self.text[self.next..].chars();
            let Some(first) = rest.clone().next() else { return Ok(out) };
            let at = self.next;
            let token = self.token(first, at)?;
            out.push((token, at..self.next));
        }
    }

    fn token(&mut self, first: char, at: usize) -> Result<Token, Fault> {
        let rest = &self.text[at..];
        if first.is_ascii_alphanumeric() || first == '_' {
            let word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
            let length = rest.find(|c| !word(c)).unwrap_or(rest.len());
            self.next = at + length;
            return Ok(Token::Word(rest[..length].to_owned()));
        }
        if first == '\'' || first == '"' {
            let Some(length) = rest[1..].find(first) else {
                let mend = format!("add a {first} where it ends");
                return Err(fault(at..self.text.len(), "this text is not closed", mend));
            };
            self.next = at + length + 2;
            return Ok(Token::Text(rest[1..=length].to_owned()));
        }
        for sign in ["!=", "(", ")", ",", "="] {
            if rest.starts_with(sign) && !rest.starts_with("==") {
                self.next = at + sign.len();
                return Ok(Token::Sign(sign));
            }
        }
        let (length, mend) = match first {
            '=' => (2, "write one = for \"is\""),
            '<' if rest.starts_with("<>") => (2, "write != for \"is not\""),
            '&' => (1, "write \"and\""),
            '|' => (1, "write \"or\""),
            '!' => (1, "write \"not\""),
            '<' | '>' => (1, "texts are compared by = and != only; a number can be summed"),
            '*' | '%' | '~' => (1, "there are no patterns: list the texts, kind in ('a', 'b')"),
            _ => (first.len_utf8(), "a condition has names, texts in quotes, = != ( ) and commas"),
        };
        let shown = if first.is_control() { " " } else { &rest[..length] };
        let what = format!("\"{shown}\" means nothing in a condition");
        Err(fault(at..at + length, what, mend))
    }
}

struct Reader<'t, A> {
    tokens: &'t [(Token, Range<usize>)],
    next: usize,
    /// The last character: behind the text there is nothing to mark.
    end: Range<usize>,
    out: Condition,
    waiting: Vec<(Waiting, Range<usize>)>,
    ask: A,
}

impl<A: FnMut(&str) -> Result<Asked, (String, String)>> Reader<'_, A> {
    fn condition(mut self) -> Result<Condition, Fault> {
        loop {
            self.operand()?;
            loop {
                let Some((token, at)) = self.take() else { return self.finish() };
                match token {
                    Token::Sign(")") => self.close(at)?,
                    Token::Word(word) if word.eq_ignore_ascii_case("and") => {
                        self.join(Waiting::And, at);
                        break;
                    }
                    Token::Word(word) if word.eq_ignore_ascii_case("or") => {
                        self.join(Waiting::Or, at);
                        break;
                    }
                    other => {
                        let what = format!("something is missing before {}", shown(&other));
                        return Err(fault(at, what, JOIN));
                    }
                }
            }
        }
    }

    /// What opens before a test, and the test.
    fn operand(&mut self) -> Result<(), Fault> {
        loop {
            match self.take() {
                Some((Token::Sign("("), at)) => self.waiting.push((Waiting::Open, at)),
                Some((Token::Word(word), at)) if word.eq_ignore_ascii_case("not") => {
                    self.waiting.push((Waiting::Not, at));
                }
                Some((Token::Word(name), at)) if !is_keyword(&name) => {
                    return self.test(&name, at);
                }
                Some((other, at)) => {
                    let what = format!("a field should stand here, not {}", shown(&other));
                    return Err(fault(at, what, TEST));
                }
                None if self.tokens.is_empty() => {
                    return Err(fault(self.end.clone(), "the condition is empty", TEST));
                }
                None => return Err(self.cut(TEST)),
            }
        }
    }

    fn test(&mut self, name: &str, at: Range<usize>) -> Result<(), Fault> {
        if self.out.tests.len() >= MAX_TESTS {
            let what = format!("the condition has more than {MAX_TESTS} tests");
            let mend = "list the texts of one field: kind in ('a', 'b', 'c')";
            return Err(fault(at, what, mend));
        }
        let asked = (self.ask)(name).map_err(|(what, mend)| fault(at, what, mend))?;
        let (values, negated) = self.rest_of_test(name)?;
        let values = values.map(|values| {
            let lower = |v: String| v.chars().flat_map(char::to_lowercase).collect();
            let mut values: Vec<String> = values.into_iter().map(lower).collect();
            values.sort_unstable();
            values.dedup();
            values
        });
        self.out.steps.push(Step::Test(self.out.tests.len()));
        self.out.tests.push(Test { asked, values });
        if negated {
            self.out.steps.push(Step::Not);
        }
        Ok(())
    }

    /// What the field must be, and whether it must not.
    fn rest_of_test(&mut self, name: &str) -> Result<(Option<Vec<String>>, bool), Fault> {
        let mend = "write = '…', != '…', in ('…', '…'), \"is known\" or \"is unknown\" behind it";
        let Some((token, at)) = self.take() else { return Err(self.cut(mend)) };
        let negated = matches!(&token, Token::Word(word) if word.eq_ignore_ascii_case("not"));
        match token {
            Token::Sign("=") => Ok((Some(vec![self.value()?]), false)),
            Token::Sign("!=") => Ok((Some(vec![self.value()?]), true)),
            _ if negated => match self.take() {
                Some((Token::Word(word), _)) if word.eq_ignore_ascii_case("in") => {
                    Ok((Some(self.values()?), true))
                }
                Some((_, at)) => Err(fault(at, "\"in\" is missing behind \"not\"", mend)),
                None => Err(self.cut(mend)),
            },
            Token::Word(word) if word.eq_ignore_ascii_case("in") => {
                Ok((Some(self.values()?), false))
            }
            Token::Word(word) if word.eq_ignore_ascii_case("is") => Ok((None, self.is_unknown()?)),
            _ => Err(fault(at, format!("what must \"{name}\" be?"), mend)),
        }
    }

    /// Whether what stands behind `is` asks for what is unknown.
    fn is_unknown(&mut self) -> Result<bool, Fault> {
        let mend = "write \"is known\" or \"is unknown\"";
        let mut negated = false;
        loop {
            let Some((token, at)) = self.take() else { return Err(self.cut(mend)) };
            match token {
                Token::Word(word) if word.eq_ignore_ascii_case("not") && !negated => negated = true,
                Token::Word(word) if word.eq_ignore_ascii_case("known") => return Ok(negated),
                Token::Word(word) if word.eq_ignore_ascii_case("unknown") => return Ok(!negated),
                other => {
                    let what = format!("\"is\" goes with known or unknown, not {}", shown(&other));
                    return Err(fault(at, what, mend));
                }
            }
        }
    }

    fn value(&mut self) -> Result<String, Fault> {
        match self.take() {
            Some((Token::Text(text), at)) if text.trim().is_empty() => {
                let mend = "an empty field is unknown: write \"is unknown\" instead";
                Err(fault(at, "this text is empty", mend))
            }
            Some((Token::Text(text), _)) => Ok(text),
            Some((Token::Word(word), at)) => {
                let what = format!("\"{word}\" is not in quotes");
                Err(fault(at, what, format!("write the text in single quotes: '{word}'")))
            }
            Some((other, at)) => {
                Err(fault(at, format!("a text should stand here, not {}", shown(&other)), VALUE))
            }
            None => Err(self.cut(VALUE)),
        }
    }

    fn values(&mut self) -> Result<Vec<String>, Fault> {
        let mend = "write the texts in parentheses: in ('a', 'b')";
        match self.take() {
            Some((Token::Sign("("), _)) => {}
            Some((_, at)) => return Err(fault(at, "\"in\" is not followed by \"(\"", mend)),
            None => return Err(self.cut(mend)),
        }
        let mut out = vec![self.value()?];
        loop {
            match self.take() {
                Some((Token::Sign(","), _)) => out.push(self.value()?),
                Some((Token::Sign(")"), _)) => return Ok(out),
                Some((_, at)) => return Err(fault(at, "a comma or \")\" is missing here", mend)),
                None => return Err(self.cut(mend)),
            }
        }
    }

    fn close(&mut self, at: Range<usize>) -> Result<(), Fault> {
        self.do_waiting(Waiting::Or);
        match self.waiting.pop() {
            Some(_) => Ok(()),
            None => Err(fault(at, "this \")\" closes nothing", "remove it, or open one before")),
        }
    }

    fn join(&mut self, how: Waiting, at: Range<usize>) {
        self.do_waiting(how);
        self.waiting.push((how, at));
    }

    /// Does what waits and binds at least so tightly; a parenthesis holds everything back.
    fn do_waiting(&mut self, least: Waiting) {
        while let Some((waits, _)) = self.waiting.pop_if(|(w, _)| *w as u8 >= least as u8) {
            self.out.steps.push(match waits {
                Waiting::Or => Step::Or,
                Waiting::And => Step::And,
                _ => Step::Not,
            });
        }
    }

    fn finish(mut self) -> Result<Condition, Fault> {
        self.do_waiting(Waiting::Or);
        match self.waiting.pop() {
            None => Ok(self.out),
            Some((_, at)) => {
                Err(fault(at, "this \"(\" is not closed", "add a \")\" where it ends"))
            }
        }
    }

    fn take(&mut self) -> Option<(Token, Range<usize>)> {
        let token = self.tokens.get(self.next).cloned();
        self.next += 1;
        token
    }

    fn cut(&self, mend: &str) -> Fault {
        fault(self.end.clone(), "the condition ends where something is missing", mend)
    }
}

fn is_keyword(word: &str) -> bool {
    ["and", "or", "not", "in", "is", "known", "unknown"]
        .iter()
        .any(|known| known.eq_ignore_ascii_case(word))
}

fn shown(token: &Token) -> String {
    match token {
        Token::Word(word) => format!("\"{}\"", word.chars().take(60).collect::<String>()),
        Token::Text(text) => format!("'{}'", text.chars().take(60).collect::<String>()),
        Token::Sign(sign) => format!("\"{sign}\""),
    }
}

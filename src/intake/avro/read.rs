//! The binary encoding, read in one pass into JSON text. Each item of an array writes something, and
//! the text has a limit, so no count in the bytes makes it work without end; what is open stands on
//! a list, whose length has a limit too.

use std::fmt::Write as _;

use base64::Engine as _;

use super::schema::{Schema, Type};
use crate::intake::plain::Plain;

/// Deepest nesting of a value.
const DEPTH: usize = 64;

/// What is open, and what is next in it.
enum Open<'s> {
    Record { fields: &'s [(String, usize)], next: usize },
    Items { of: usize, left: u64, any: bool, keyed: bool },
}

/// Reads a value whole. The text has at most so many bytes.
pub fn json(schema: &Schema, bytes: &[u8], limit: usize) -> Result<String, String> {
    let mut out = String::with_capacity(bytes.len().min(limit) * 2);
    let mut input = Input { bytes, size: bytes.len() };
    let mut open: Vec<Open<'_>> = Vec::new();
    let mut next = Some(schema.root);
    loop {
        if out.len() > limit {
            return Err(format!("as JSON it has more than {limit} bytes"));
        }
        if let Some(of) = next.take() {
            next = input.value(schema, of, &mut out, &mut open)?;
            if open.len() > DEPTH {
                return Err(format!("it nests more than {DEPTH} deep"));
            }
            continue;
        }
        match open.last_mut() {
            None => break,
            Some(Open::Record { fields, next: at }) => match fields.get(*at) {
                Some((name, of)) => {
                    out.push_str(if *at == 0 { "" } else { "," });
                    out.push_str(name);
                    *at += 1;
                    next = Some(*of);
                }
                None => {
                    out.push('}');
                    open.pop();
                }
            },
            Some(Open::Items { of, left, any, keyed }) => {
                if *left == 0 {
                    *left = input.block()?;
                    if *left == 0 {
                        out.push(if *keyed { '}' } else { ']' });
                        open.pop();
                        continue;
                    }
                }
                *left -= 1;
                out.push_str(if *any { "," } else { "" });
                *any = true;
                if *keyed {
                    input.string(&mut out)?;
                    out.push(':');
                }
                next = Some(*of);
            }
        }
    }
    match input.bytes.len() {
        0 => Ok(out),
        n => Err(format!("{n} bytes are left behind the value")),
    }
}

/// What is not read yet.
struct Input<'b> {
    bytes: &'b [u8],
    size: usize,
}

impl<'b> Input<'b> {
    /// Where it stands, for messages.
    fn at(&self) -> usize {
        self.size - self.bytes.len()
    }

    fn take(&mut self, n: usize) -> Result<&'b [u8], String> {
        let Some((taken, rest)) = self.bytes.split_at_checked(n) else {
            return Err(format!("it ends early, at byte {}", self.at()));
        };
        self.bytes = rest;
        Ok(taken)
    }

    fn whole(&mut self) -> Result<i64, String> {
        let mut n: u64 = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.take(1)?[0];
            n |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok((n >> 1) as i64 ^ -((n & 1) as i64));
            }
        }
        Err(format!("a number at byte {} has more than 64 bits", self.at()))
    }

    /// Bytes with their length before them.
    fn counted(&mut self) -> Result<&'b [u8], String> {
        let n = self.whole()?;
        let n = usize::try_from(n)
            .map_err(|_| format!("a length before byte {} is negative", self.at()))?;
        self.take(n)
    }

    fn string(&mut self, out: &mut String) -> Result<(), String> {
        let at = self.at();
        let text = std::str::from_utf8(self.counted()?)
            .map_err(|_| format!("a string at byte {at} is not UTF-8"))?;
        quote(text, out);
        Ok(())
    }

    /// How many items follow; 0 is the end.
    fn block(&mut self) -> Result<u64, String> {
        let n = self.whole()?;
        if n < 0 {
            // Its size in bytes stands there too, for those who skip it.
            self.whole()?;
        }
        Ok(n.unsigned_abs())
    }

    /// Which of several.
    fn index(&mut self, of: usize, what: &str) -> Result<usize, String> {
        let n = self.whole()?;
        usize::try_from(n)
            .ok()
            .filter(|n| *n < of)
            .ok_or_else(|| format!("{what} before byte {} is the {n}th of {of}", self.at()))
    }

    /// Reads a value, or opens it; the type of what is next where that is known.
    fn value<'s>(
        &mut self,
        schema: &'s Schema,
        of: usize,
        out: &mut String,
        open: &mut Vec<Open<'s>>,
    ) -> Result<Option<usize>, String> {
        match &schema.types[of] {
            Type::Null => out.push_str("null"),
            Type::Boolean => out.push_str(if self.take(1)?[0] == 0 { "false" } else { "true" }),
            Type::Whole => {
                let _ = write!(out, "{}", self.whole()?);
            }
            Type::Time(time) => {
                let n = self.whole()?;
                out.push_str(&time.plain(n).map_or_else(|| n.to_string(), |text| text.json()));
            }
            // Not a number, or without end: null, as JSON has neither.
            Type::Float => {
                let bytes = self.take(4)?.try_into().expect("four bytes were taken");
                number(serde_json::to_string(&f32::from_le_bytes(bytes)), out);
            }
            Type::Double => {
                let bytes = self.take(8)?.try_into().expect("eight bytes were taken");
                number(serde_json::to_string(&f64::from_le_bytes(bytes)), out);
            }
            Type::String => self.string(out)?,
            Type::Bytes => encode(self.counted()?, out),
            Type::Fixed(n) => encode(self.take(*n)?, out),
            Type::Uuid => {
                let bytes = self.take(16)?.try_into().expect("sixteen bytes were taken");
                let _ = write!(out, "\"{}\"", crate::intake::frame::SchemaKey::Guid(bytes));
            }
            Type::Decimal(scale, size) => {
                let bytes = match size {
                    Some(n) => self.take(*n)?,
                    None => self.counted()?,
                };
                decimal(bytes, *scale, out)?;
            }
            Type::VariableDecimal => {
                let scale = self.whole()?;
                decimal(self.counted()?, scale, out)?;
            }
            Type::Enum(symbols) => {
                out.push_str(&symbols[self.index(symbols.len(), "a symbol")?]);
            }
            Type::Union(branches) => {
                return Ok(Some(branches[self.index(branches.len(), "a branch")?]));
            }
            Type::Record(fields) => {
                out.push('{');
                open.push(Open::Record { fields, next: 0 });
            }
            Type::Array(of) => {
                out.push('[');
                open.push(Open::Items { of: *of, left: 0, any: false, keyed: false });
            }
            Type::Map(of) => {
                out.push('{');
                open.push(Open::Items { of: *of, left: 0, any: false, keyed: true });
            }
            Type::Unknown => return Err("the schema is not whole".to_owned()),
        }
        Ok(None)
    }
}

fn quote(text: &str, out: &mut String) {
    out.push_str(&serde_json::to_string(text).expect("a string serializes"));
}

fn encode(bytes: &[u8], out: &mut String) {
    out.push('"');
    base64::engine::general_purpose::STANDARD.encode_string(bytes, out);
    out.push('"');
}

fn number(text: serde_json::Result<String>, out: &mut String) {
    out.push_str(&text.unwrap_or_else(|_| "null".to_owned()));
}

fn decimal(bytes: &[u8], scale: i64, out: &mut String) -> Result<(), String> {
    let plain = Plain::decimal(bytes, scale).ok_or("a decimal has too many digits")?;
    out.push_str(&plain.json());
    Ok(())
}

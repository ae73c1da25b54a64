//! Texts that spreadsheets must not take for formulas.
//!
//! A cell of a CSV file that begins with `=`, `+`, `-` or `@` is a formula to a spreadsheet, and a
//! formula can run programs and send data away (OWASP, "CSV Injection"). Owners, territories and
//! own fields come from outside, so a single quote is put before such a text: spreadsheets then show
//! it as text. Quoting a field does not help, and a file with commas may be opened where the
//! separator is a semicolon, which splits texts: what stands behind a separator counts as a
//! beginning too.
//!
//! The rule can be undone: [`original`] gives back every text that [`harmless`] was given.

use std::borrow::Cow;

/// What may part cells when a file is opened elsewhere.
const SEPARATORS: [char; 5] = [',', ';', '\t', '\r', '\n'];
/// What begins a formula, the full-width forms too, which some spreadsheets fold.
const FORMULA: [char; 8] = ['=', '+', '-', '@', '＝', '＋', '－', '＠'];
/// OWASP's list has these as well: they vanish, and the next character is the first.
const VANISHING: [char; 3] = ['\t', '\r', '\n'];

/// The text as a cell that is no formula.
pub fn harmless(text: &str) -> Cow<'_, str> {
    if !pieces(text).any(|(first, piece)| is_formula(first, piece)) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 2);
    for (first, piece) in pieces(text) {
        if is_formula(first, piece) {
            out.push('\'');
        }
        out.push_str(piece);
    }
    Cow::Owned(out)
}

/// The text that [`harmless`] was given.
pub fn original(cell: &str) -> String {
    let bare = |(first, piece): (bool, &str)| {
        let quoted = is_formula(first, piece).then(|| piece.strip_prefix('\'')).flatten();
        quoted.unwrap_or(piece).to_owned()
    };
    pieces(cell).map(bare).collect()
}

/// The text in pieces that each may become a cell; whether a piece is the first one.
fn pieces(text: &str) -> impl Iterator<Item = (bool, &str)> {
    text.split_inclusive(SEPARATORS).enumerate().map(|(i, piece)| (i == 0, piece))
}

/// Blanks and quotes before a sign are looked through: spreadsheets strip them in places.
fn is_formula(first: bool, piece: &str) -> bool {
    let passed = |c: char| {
        c == '"' || c == '\'' || ((c.is_whitespace() || c.is_control()) && !VANISHING.contains(&c))
    };
    let begin = piece.trim_start_matches(passed);
    begin.starts_with(FORMULA) || (first && begin.starts_with(VANISHING))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_begins_like_a_formula_gets_a_quote() {
        for (text, cell) in [
            ("=1+1", "'=1+1"),
            ("+49 30", "'+49 30"),
            ("-2", "'-2"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\t=1", "'\t'=1"),
            ("\rx", "'\rx"),
            (" =1", "' =1"),
            ("\"=1", "'\"=1"),
            ("'=1", "''=1"),
            ("＝1", "'＝1"),
            ("a;=1", "a;'=1"),
            ("a,\"-b", "a,'\"-b"),
        ] {
            assert_eq!(harmless(text), cell);
            assert_eq!(original(cell), text);
        }
        for plain in ["", "Moses Frase", "O'Brien", "'t Hart", "a-b", "a=b", "a, b", "r-1", "2=2"] {
            assert_eq!(harmless(plain), plain);
            assert_eq!(original(plain), plain);
        }
    }

    proptest! {
        #[test]
        fn no_cell_is_a_formula_and_every_text_comes_back(text in "[=+@a'\" ,;\t\r\n＝-]{0,12}") {
            let cell = harmless(&text);
            for split in [&[][..], &[','], &[';'], &['\t', '\r', '\n']] {
                for piece in cell.split(split) {
                    let seen = piece.trim_start_matches([' ', '"']);
                    prop_assert!(!seen.starts_with(FORMULA), "{text:?} as {cell:?}");
                }
            }
            prop_assert_eq!(original(&cell), text);
        }
    }
}

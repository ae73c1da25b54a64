//! Lines of samples on a page, written without an allocation a line: tens of thousands are written at
//! each publish.

use std::fmt::Write as _;

use super::metrics::{Caps, Family, Help, KpiPage};

/// The families of one grain while its rows are written. Rows say nearly the same in the same order,
/// so that the next family is nearly always the one behind the last.
pub(super) struct Lines<'p> {
    page: &'p mut KpiPage,
    grain: &'p str,
    caps: Caps,
    /// With the end of their name, and the name.
    families: Vec<(String, String, Family)>,
    next: usize,
}

impl<'p> Lines<'p> {
    /// Of a grain, behind what the page has.
    pub(super) fn of(page: &'p mut KpiPage, grain: &'p str, caps: Caps) -> Lines<'p> {
        Lines { page, grain, caps, families: Vec::new(), next: 0 }
    }

    /// A row begins.
    pub(super) fn row(&mut self) {
        self.next = 0;
    }

    /// A sample of the family whose name ends so. Of rows whose labels are equal only the first is
    /// shown.
    pub(super) fn add(
        &mut self,
        suffix: &str,
        help: Help<'_>,
        labels: &str,
        value: f64,
        first: bool,
    ) {
        let at = self.place(suffix, help);
        self.next = at + 1;
        let (_, name, family) = &mut self.families[at];
        family.add(name, labels, value, first, self.caps);
    }

    fn place(&mut self, suffix: &str, help: Help<'_>) -> usize {
        let is = |(end, ..): &(String, String, Family)| end == suffix;
        if self.families.get(self.next).is_some_and(is) {
            return self.next;
        }
        if let Some(at) = self.families.iter().position(is) {
            return at;
        }
        let name = format!("tidemark_{}_{suffix}", self.grain);
        // The names of two grains may end alike: a page has each family once.
        let family = self.page.families.remove(&name).unwrap_or_else(|| Family::of(help));
        self.families.push((suffix.to_owned(), name, family));
        self.families.len() - 1
    }

    /// Gives the families to the page.
    pub(super) fn end(self) {
        let named = self.families.into_iter().map(|(_, name, family)| (name, family));
        self.page.families.extend(named);
    }
}

/// Writes a number as `Display` does: the shortest digits that are read back as the same, and no
/// exponent.
pub(super) fn number(out: &mut String, value: f64) {
    if value != 0.0 && !(1e-4..1e15).contains(&value.abs()) {
        let _ = write!(out, "{value}");
        return;
    }
    let mut buffer = ryu::Buffer::new();
    let text = buffer.format_finite(value);
    out.push_str(text.strip_suffix(".0").unwrap_or(text));
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(value: f64) -> String {
        let mut out = String::new();
        number(&mut out, value);
        out
    }

    #[test]
    fn numbers_of_all_sizes_are_written_as_display_does() {
        let mut odd =
            vec![0.0, -0.0, 1.0, -1.5, 0.1, 1e15, 1e16, 1e17, 123_456_789.125, 1e-5, 1e-7];
        odd.extend([f64::MAX, f64::MIN_POSITIVE, 5e-324, f64::NAN, f64::INFINITY, -f64::INFINITY]);
        odd.extend((-30..30).flat_map(|e| [10_f64.powi(e), 2_f64.powi(e), 3.0 * 10_f64.powi(e)]));
        odd.extend((0..5_000).map(|n| f64::from(n) / 7.0));
        for value in odd {
            assert_eq!(written(value), value.to_string());
        }
    }

    proptest! {
        #[test]
        fn any_number_is_written_as_display_does(bits: u64, whole in -10_000_000_i64..10_000_000) {
            let value = f64::from_bits(bits);
            let (text, shown) = (written(value), value.to_string());
            // Of two shortest texts that lie as far from the number either may be taken.
            let as_good = text.parse() == Ok(value) && text.len() == shown.len();
            prop_assert!(text == shown || as_good, "{} and {}", text, shown);
            let cents = whole as f64 / 100.0;
            prop_assert_eq!(written(cents), cents.to_string());
        }
    }
}

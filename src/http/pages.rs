//! The KPI pages of the partitions as one page, for an instance.
//!
//! They are merged, cut to the limits and encoded once a publish, by the first scrape behind it;
//! further scrapes copy the bytes. What stays follows from the labels alone: in a family the first
//! ones by their text, and where all are too many, as many in each family as there is room for. So a
//! series that is shown is shown again while those around it are the same.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use super::metrics::{Caps, Family, KpiPage, head};
use crate::telemetry::Telemetry;

/// Where the page of the directory stands among those of partitions: there is none of that number.
const DIRECTORY: u32 = u32::MAX;

/// The newest pages of the partitions that this process owns.
#[derive(Debug)]
pub struct MetricsPages {
    held: RwLock<Held>,
    merged: Mutex<Merged>,
    caps: Caps,
    telemetry: Arc<Telemetry>,
}

#[derive(Debug, Default)]
struct Held {
    /// How often a page was put or taken away.
    changes: u64,
    pages: BTreeMap<u32, Arc<KpiPage>>,
}

/// All pages as one: each family once, its samples together.
#[derive(Debug, Default)]
struct Merged {
    /// The changes that it has.
    of: u64,
    text: Arc<str>,
    /// Series by family.
    series: BTreeMap<String, u64>,
    /// Those left out, by family, without zeros.
    dropped: BTreeMap<String, u64>,
}

impl MetricsPages {
    /// No pages yet; the numbers of series go to `telemetry`.
    pub fn new(telemetry: Arc<Telemetry>, caps: Caps) -> Arc<MetricsPages> {
        let (held, merged) = (RwLock::default(), Mutex::default());
        Arc::new(MetricsPages { held, merged, caps, telemetry })
    }

    /// Replaces the page of a partition.
    pub fn put(&self, partition: u32, page: KpiPage) {
        for (family, n) in page.dropped() {
            self.telemetry.series_dropped(family, n);
        }
        self.change(|pages| pages.insert(partition, Arc::new(page)));
    }

    /// Replaces the page that tells of the directory.
    pub fn put_directory(&self, page: KpiPage) {
        self.put(DIRECTORY, page);
    }

    /// Takes the page of a partition away, when another process owns it.
    pub fn remove(&self, partition: u32) {
        self.change(|pages| pages.remove(&partition));
    }

    fn change<T>(&self, change: impl FnOnce(&mut BTreeMap<u32, Arc<KpiPage>>) -> T) {
        let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
        held.changes += 1;
        change(&mut held.pages);
    }

    /// The newest pages as text. What they show and leave out is counted when they are merged.
    pub(super) fn text(&self) -> Arc<str> {
        let mut merged = self.merged.lock().unwrap_or_else(PoisonError::into_inner);
        let (changes, pages): (u64, Vec<Arc<KpiPage>>) = {
            let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
            (held.changes, held.pages.values().cloned().collect())
        };
        if merged.of != changes {
            let new = merge(&pages, self.caps, changes);
            for family in merged.series.keys().filter(|f| !new.series.contains_key(*f)) {
                self.telemetry.series(family, 0);
            }
            for (family, n) in &new.series {
                self.telemetry.series(family, *n);
            }
            for (family, n) in &new.dropped {
                self.telemetry.series_dropped(family, *n);
            }
            *merged = new;
        }
        Arc::clone(&merged.text)
    }
}

/// The lines of one family over all pages, by their labels.
struct Joined<'p> {
    name: &'p str,
    help: &'p str,
    lines: Lines<'p>,
    series: u64,
    dropped: u64,
}

enum Lines<'p> {
    /// Those of one page, as they stand there.
    Page(&'p str),
    Several(Vec<&'p str>),
}

fn merge(pages: &[Arc<KpiPage>], caps: Caps, changes: u64) -> Merged {
    let mut families: BTreeMap<&str, Vec<&Family>> = BTreeMap::new();
    for (name, family) in pages.iter().flat_map(|page| &page.families) {
        families.entry(name).or_default().push(family);
    }
    let joined: Vec<Joined> =
        families.into_iter().map(|(name, parts)| join(name, &parts)).collect();
    let counts: Vec<u64> = joined.iter().map(|family| family.series).collect();
    let most = most_of_each(&counts, caps);
    let size = pages.iter().flat_map(|p| p.families.values()).map(|f| f.lines.len() + 200).sum();
    let mut text = String::with_capacity(size);
    let mut merged = Merged { of: changes, ..Merged::default() };
    for family in joined {
        let shown = family.series.min(most);
        let dropped = family.dropped + family.series - shown;
        if dropped > 0 {
            merged.dropped.insert(family.name.to_owned(), dropped);
        }
        if shown == 0 {
            continue;
        }
        head(&mut text, family.name, family.help);
        match family.lines {
            Lines::Page(lines) if shown == family.series => text.push_str(lines),
            Lines::Page(lines) => {
                text.extend(lines.split_inclusive('\n').take(shown as usize));
            }
            Lines::Several(lines) => text.extend(lines.into_iter().take(shown as usize)),
        }
        merged.series.insert(family.name.to_owned(), shown);
    }
    merged.text = text.into();
    merged
}

fn join<'p>(name: &'p str, parts: &[&'p Family]) -> Joined<'p> {
    let help = &parts[0].help;
    if let [part] = parts {
        let lines = Lines::Page(&part.lines);
        return Joined { name, help, lines, series: part.series, dropped: 0 };
    }
    let all = parts.iter().flat_map(|part| part.lines.split_inclusive('\n'));
    let mut lines: Vec<(&str, &str)> = all
        .map(|line| {
            let end = line.rfind('}').map_or(line.len(), |end| end + 1);
            (line.get(name.len()..end).unwrap_or(line), line)
        })
        .collect();
    // Stable: of those that became equal by cutting, the one of the first partition stays.
    lines.sort_by(|a, b| a.0.cmp(b.0));
    let before = lines.len();
    lines.dedup_by(|b, a| a.0 == b.0);
    let (series, dropped) = (lines.len() as u64, (before - lines.len()) as u64);
    let lines = Lines::Several(lines.into_iter().map(|(_, line)| line).collect());
    Joined { name, help, lines, series, dropped }
}

/// How many series each family may have, so that no limit is passed: large families are cut before a
/// small one loses any.
fn most_of_each(counts: &[u64], caps: Caps) -> u64 {
    let sum = |most: u64| counts.iter().map(|n| (*n).min(most)).sum::<u64>();
    let (mut fits, mut beyond) = (0, caps.per_family as u64);
    if sum(beyond) <= caps.total as u64 {
        return beyond;
    }
    while beyond - fits > 1 {
        let middle = fits + (beyond - fits) / 2;
        match sum(middle) <= caps.total as u64 {
            true => fits = middle,
            false => beyond = middle,
        }
    }
    // In steps of about 5 %: a few series more elsewhere are to change nothing here.
    let step = (fits / 20).checked_ilog2().map_or(1, |exponent| 1 << exponent);
    fits - fits % step
}

#[cfg(test)]
#[path = "pages_tests.rs"]
mod tests;

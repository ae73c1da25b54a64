//! Interned strings and segments of one shard: an entity holds four bytes for a value that a
//! thousand others share.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::FixedState;

use crate::model::definition::Definition;
use crate::model::segment::{Segment, UNKNOWN};
use crate::model::zones::{ZoneId, ZoneSet, Zones};

/// Maps of the core hash with a fixed seed: nothing may depend on their order, and nothing does,
/// but a core without randomness is easier to trust.
pub type Map<K, V> = HashMap<K, V, FixedState>;

/// An interned string.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Symbol(pub u32);

/// An interned segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SegmentId(pub u32);

/// A combination of dimension values, interned: whom a contribution is credited to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Credit(pub u32);

/// Parts system and source in an origin.
const BETWEEN: &str = "\u{1f}";

/// Interned strings.
#[derive(Debug, Default)]
pub struct Symbols {
    by_text: Map<Arc<str>, u32>,
    texts: Vec<Arc<str>>,
}

impl Symbols {
    /// The symbol of a text.
    pub fn intern(&mut self, text: &str) -> Symbol {
        if let Some(id) = self.by_text.get(text) {
            return Symbol(*id);
        }
        let id = self.texts.len() as u32;
        let text: Arc<str> = text.into();
        self.texts.push(text.clone());
        self.by_text.insert(text, id);
        Symbol(id)
    }

    /// The symbol of where something was said: system and source. `buffer` is memory to work in.
    pub fn origin(&mut self, system: &str, source: &str, buffer: &mut String) -> Symbol {
        buffer.clear();
        for part in [system, BETWEEN, source] {
            buffer.push_str(part);
        }
        self.intern(buffer)
    }

    /// The system and the source of an origin.
    pub fn parts(&self, origin: Symbol) -> (&str, &str) {
        let text = self.text(origin);
        text.split_once(BETWEEN).unwrap_or((text, ""))
    }

    /// The text of a symbol.
    pub fn text(&self, symbol: Symbol) -> &str {
        &self.texts[symbol.0 as usize]
    }

    /// All texts in order of their symbols.
    pub fn texts(&self) -> &[Arc<str>] {
        &self.texts
    }
}

/// Interned combinations of dimension values, and the segments that each belongs to.
#[derive(Debug, Default)]
pub struct Credits {
    by_values: Map<Arc<[u32]>, u32>,
    values: Vec<Arc<[u32]>>,
    segments_of: Vec<Box<[(SegmentId, ZoneId)]>>,
    zones_of: Vec<ZoneSet>,
    by_segment: Map<Segment, u32>,
    segments: Vec<Segment>,
    zones: Zones,
}

impl Credits {
    /// None yet, of a definition.
    pub fn of(definition: &Definition) -> Credits {
        Credits { zones: definition.zones.clone(), ..Credits::default() }
    }

    /// The combination of the values of all dimensions, in the order of
    /// [`Definition::dimensions`]; a value of `None` is unknown.
    pub fn intern(
        &mut self,
        values: &[Option<Symbol>],
        dimensions: &[String],
        definition: &Definition,
        symbols: &Symbols,
    ) -> Credit {
        // 0 is unknown, so symbols move up by one.
        let mut key = [0u32; MAX_DIMENSIONS];
        for (slot, value) in key.iter_mut().zip(values) {
            *slot = value.map_or(0, |s| s.0 + 1);
        }
        let key = &key[..values.len()];
        if let Some(id) = self.by_values.get(key) {
            return Credit(*id);
        }
        let value_of = |dimension: &str| {
            let i = dimensions.iter().position(|d| d == dimension)?;
            values[i].map(|s| symbols.text(s))
        };
        let mut ids = Vec::with_capacity(definition.segments.len());
        for set in &definition.segments {
            let parts = set.iter().map(|d| (d.as_str(), value_of(d).unwrap_or(UNKNOWN)));
            ids.push(self.segment(Segment::of(parts)));
        }
        let id = self.segments_of.len() as u32;
        let zones = ids.iter().fold(ZoneSet::default(), |all, (_, zone)| all.with(*zone));
        self.zones_of.push(zones);
        self.segments_of.push(ids.into());
        let key: Arc<[u32]> = key.into();
        self.values.push(key.clone());
        self.by_values.insert(key, id);
        Credit(id)
    }

    /// The value of a dimension in a combination; `None` where it is unknown.
    pub fn value_of(&self, credit: Credit, dimension: usize) -> Option<Symbol> {
        let value = self.values[credit.0 as usize].get(dimension)?;
        value.checked_sub(1).map(Symbol)
    }

    /// The id of a segment, and the zone by which it counts days.
    pub fn segment(&mut self, segment: Segment) -> (SegmentId, ZoneId) {
        let zone = self.zones.of(&segment);
        if let Some(id) = self.by_segment.get(&segment) {
            return (SegmentId(*id), zone);
        }
        let id = self.segments.len() as u32;
        self.segments.push(segment.clone());
        self.by_segment.insert(segment, id);
        (SegmentId(id), zone)
    }

    /// The segments that a combination belongs to, each with its zone.
    pub fn segments_of(&self, credit: Credit) -> &[(SegmentId, ZoneId)] {
        &self.segments_of[credit.0 as usize]
    }

    /// The zones of those.
    pub fn zones_of(&self, credit: Credit) -> ZoneSet {
        self.zones_of[credit.0 as usize]
    }

    /// A segment by id.
    pub fn resolve(&self, id: SegmentId) -> &Segment {
        &self.segments[id.0 as usize]
    }
}

/// Most dimensions that a definition may use; the config holds it.
pub const MAX_DIMENSIONS: usize = 16;

//! The dimensions of a definition, as the ledger looks them up: once an event, so by table.

use super::entity::{Kind, Slot};
use super::symbols::{Map, Symbol, Symbols};
use crate::model::channel::Origins;
use crate::model::definition::Definition;
use crate::model::event::{Field, FieldName};
use crate::model::time::{Day, Timestamp};

/// Most sets of texts of which the channel is remembered.
pub const MOST_TOLD: usize = 1 << 16;

/// The dimensions, in the order of first use.
#[derive(Debug)]
pub struct Dimensions {
    names: Vec<String>,
    /// By field number: the dimension that it is.
    by_field: Vec<Option<u8>>,
    /// Which one is the owner, if any.
    rep: Option<usize>,
    /// What the directory says of an owner: asked for every event that states no territory.
    directory: Map<(u32, u8, usize), Option<Symbol>>,
    /// When the directory moves an owner.
    moves: Map<u32, Box<[Timestamp]>>,
    /// Whether it moves anybody, or a territory.
    dated: bool,
    /// When it moves an owner, or any territory to another region.
    points: Map<u32, Box<[Timestamp]>>,
    /// Which one is the region and which the territory that decides it, if any.
    region: Option<(usize, usize)>,
    /// The days on which any territory goes to another region, and when they begin.
    shifts: Vec<(Timestamp, Day)>,
    /// Regions by territory and by how many shifts lie behind.
    regions: Map<(u32, usize), Option<Symbol>>,
    /// Reps by the name of a source or system, then by their id there.
    claims: Map<String, Map<String, String>>,
    /// The rep behind an owner of an origin: asked for with every credit.
    reps: Map<(Symbol, Symbol), Symbol>,
    /// Which one is the channel, if any.
    channel: Option<usize>,
    /// The channel that texts of [`Origins::FIELDS`], and the channel that is stated, tell together:
    /// asked for with every credit.
    told: Map<[Option<u32>; Origins::FIELDS.len() + 1], Option<Symbol>>,
    /// Whether rules rename channels that are stated.
    renamed: bool,
}

impl Dimensions {
    /// Those of a definition.
    pub fn of(definition: &Definition) -> Dimensions {
        let names = definition.dimensions();
        let place = |field: &str| names.iter().position(|d| d == field).map(|i| i as u8);
        let by_field = Field::ALL
            .iter()
            .map(|(field, name, ..)| if *field == Field::Owner { None } else { place(name) })
            .collect();
        let rep = names.iter().position(|d| d == "rep");
        let channel = names.iter().position(|d| d == Field::Channel.as_str());
        let mut claims: Map<String, Map<String, String>> = Map::default();
        for (rep, entry) in &definition.directory.reps {
            for (place, id) in &entry.ids {
                claims.entry(place.clone()).or_default().insert(id.clone(), rep.clone());
            }
        }
        let at = |name: &str| names.iter().position(|d| d == name);
        let region = at("region").zip(at("territory"));
        let shifts = if region.is_some() { shifts(definition) } else { Vec::new() };
        let moved = definition.directory.reps.values().any(|rep| !rep.moves.is_empty());
        let dated = moved || !shifts.is_empty();
        Dimensions {
            names,
            by_field,
            rep,
            directory: Map::default(),
            moves: Map::default(),
            dated,
            points: Map::default(),
            region,
            shifts,
            regions: Map::default(),
            claims,
            reps: Map::default(),
            channel,
            told: Map::default(),
            renamed: definition.channels.rename(),
        }
    }

    /// Their names.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Which one is the owner, if any.
    pub fn rep(&self) -> Option<usize> {
        self.rep
    }

    /// Which one is the channel, if any.
    pub fn channel(&self) -> Option<usize> {
        self.channel
    }

    /// Whether rules rename channels that are stated.
    pub fn are_renamed(&self) -> bool {
        self.renamed
    }

    /// The slot that keeps a field of which the channel is told, where the channel is a dimension.
    pub fn origin_slot(&self, name: &FieldName<'_>) -> Option<Slot> {
        let FieldName::Known(field) = name else { return None };
        let at =
            Origins::FIELDS.iter().position(|of| of == field).filter(|_| self.channel.is_some())?;
        Some(Slot(Slot::ORIGINS + at as u8))
    }

    /// The channel that texts of [`Origins::FIELDS`] tell by the definition's rules, or what they
    /// make of a stated one.
    pub fn channel_of(
        &mut self,
        texts: [Option<Symbol>; Origins::FIELDS.len()],
        stated: Option<Symbol>,
        definition: &Definition,
        symbols: &mut Symbols,
    ) -> Option<Symbol> {
        let mut key = [None; Origins::FIELDS.len() + 1];
        for (place, text) in key.iter_mut().zip(texts.into_iter().chain([stated])) {
            *place = text.map(|symbol| symbol.0);
        }
        if self.told.len() >= MOST_TOLD {
            self.told.clear();
        }
        *self.told.entry(key).or_insert_with(|| {
            let stated = stated.map(|text| symbols.text(text).to_lowercase());
            let mut from = Origins { stated, ..Origins::default() };
            for (field, text) in Origins::FIELDS.into_iter().zip(texts) {
                if let Some(slot) = from.slot(field) {
                    *slot = text.map(|text| symbols.text(text).to_owned());
                }
            }
            let channel = definition.channels.channel_of(from)?;
            Some(symbols.intern(channel))
        })
    }

    /// The slot that keeps a field as a dimension. The stages of others are not those of deals.
    pub fn slot(&self, kind: Kind, name: &FieldName<'_>) -> Option<Slot> {
        let i = match name {
            FieldName::Known(Field::Stage) if kind != Kind::Deal => return None,
            FieldName::Known(field) => self.by_field[*field as usize]?,
            FieldName::Custom(custom) => {
                self.names.iter().position(|d| d.strip_prefix("x.") == Some(custom))? as u8
            }
        };
        Some(Slot(Slot::DIMENSIONS + i))
    }

    /// The rep whom the directory knows by an owner's id in that source, or else in its system;
    /// without one the owner's id is the rep's.
    pub fn rep_of(&mut self, owner: Symbol, origin: Symbol, symbols: &mut Symbols) -> Symbol {
        if self.claims.is_empty() {
            return owner;
        }
        let claims = &self.claims;
        *self.reps.entry((owner, origin)).or_insert_with(|| {
            let (system, source) = symbols.parts(origin);
            let id = symbols.text(owner);
            let rep = [source, system].into_iter().find_map(|place| claims.get(place)?.get(id));
            rep.map_or(owner, |rep| symbols.intern(rep))
        })
    }

    /// Which one is the region, and which the territory that decides it.
    pub fn region(&self) -> Option<(usize, usize)> {
        self.region
    }

    /// The region that a territory is in, at a moment or newest, where the directory has it.
    pub fn region_of(
        &mut self,
        territory: Symbol,
        at: Option<Timestamp>,
        definition: &Definition,
        symbols: &mut Symbols,
    ) -> Option<Symbol> {
        let shifted = match at {
            Some(at) => self.shifts.partition_point(|(from, _)| *from <= at),
            None => self.shifts.len(),
        };
        let last = shifted.checked_sub(1).map_or(Day(i32::MIN), |i| self.shifts[i].1);
        *self.regions.entry((territory.0, shifted)).or_insert_with(|| {
            let entry = definition.directory.territories.get(symbols.text(territory))?;
            Some(symbols.intern(entry.region_on(last)))
        })
    }

    /// When the directory moves an owner, or a territory to another region.
    pub fn points(
        &mut self,
        owner: Option<Symbol>,
        definition: &Definition,
        symbols: &Symbols,
    ) -> &[Timestamp] {
        let key = owner.map_or(u32::MAX, |owner| owner.0);
        if !self.points.contains_key(&key) {
            let moves = owner.map_or(&[][..], |owner| self.moves(owner, definition, symbols));
            let mut all = moves.to_vec();
            all.extend(self.shifts.iter().map(|(at, _)| *at));
            all.sort_unstable();
            all.dedup();
            self.points.insert(key, all.into());
        }
        &self.points[&key]
    }

    /// Whether the directory moves any rep or territory.
    pub fn are_dated(&self) -> bool {
        self.dated
    }

    /// When the directory moves an owner: the starts of those days.
    pub fn moves(
        &mut self,
        owner: Symbol,
        definition: &Definition,
        symbols: &Symbols,
    ) -> &[Timestamp] {
        self.moves.entry(owner.0).or_insert_with(|| {
            let rep = definition.directory.reps.get(symbols.text(owner));
            let days = rep.into_iter().flat_map(|rep| rep.moves.keys());
            days.map(|day| definition.calendar.start_of(*day)).collect()
        })
    }

    /// What the directory says of the `i`th dimension of an owner, at a moment or newest.
    pub fn of_owner(
        &mut self,
        owner: Symbol,
        i: usize,
        at: Option<Timestamp>,
        definition: &Definition,
        symbols: &mut Symbols,
    ) -> Option<Symbol> {
        let moved = match at {
            _ if !self.dated => 0,
            Some(at) => self.moves(owner, definition, symbols).partition_point(|from| *from <= at),
            None => self.moves(owner, definition, symbols).len(),
        };
        let names = &self.names;
        *self.directory.entry((owner.0, i as u8, moved)).or_insert_with(|| {
            let rep = definition.directory.reps.get(symbols.text(owner))?;
            Some(symbols.intern(rep.value(&names[i], moved)?))
        })
    }
}

fn shifts(definition: &Definition) -> Vec<(Timestamp, Day)> {
    let territories = definition.directory.territories.values();
    let mut days: Vec<Day> = territories.flat_map(|t| t.moves.keys().copied()).collect();
    days.sort_unstable();
    days.dedup();
    days.into_iter().map(|day| (definition.calendar.start_of(day), day)).collect()
}

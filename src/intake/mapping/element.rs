//! An element under a mapping: the values at its places, each object and array read at most once.

use std::borrow::Cow;

use crate::intake::json::{Json, Object};
use crate::intake::native::Context;
use crate::model::deadletter::Reason;
use crate::model::mapping::{Hop, Is, Mapping, Node, Place, Places, Test};

/// What is known of a place: a mapping has many, and an element needs few and has fewer.
#[derive(Clone, Copy, Default)]
struct Slot {
    /// Its value: 1 more than the index of it.
    value: u32,
    /// What is in its value: 1 more than the index of that.
    inside: u32,
}

/// Nothing asked for it yet.
const UNKNOWN: u32 = 0;
/// There is no such value.
const ABSENT: u32 = u32::MAX;

/// What is in a value.
enum Inside<'x> {
    /// An object of which only the text is known.
    Object(Object<'x>),
    List(Vec<Json<'x>>),
    /// The objects of an array by their text of one name.
    Keyed(Vec<(Cow<'x, str>, Json<'x>)>),
    Nothing,
}

/// An element under a mapping.
pub struct Element<'x> {
    pub(super) context: &'x Context<'x>,
    pub(super) mapping: &'x Mapping,
    places: &'x Places,
    object: &'x Object<'x>,
    item: Option<Json<'x>>,
    /// By the place.
    slots: Vec<Slot>,
    values: Vec<Json<'x>>,
    insides: Vec<Inside<'x>>,
    /// How many values, and insides of them, were found before there were items.
    lasting: Option<(usize, usize)>,
}

impl<'x> Element<'x> {
    pub fn new(
        context: &'x Context<'x>,
        mapping: &'x Mapping,
        object: &'x Object<'x>,
    ) -> Element<'x> {
        let slots = vec![Slot::default(); mapping.places.0.len()];
        Element {
            context,
            mapping,
            places: &mapping.places,
            object,
            item: None,
            values: Vec::with_capacity(slots.len().min(16)),
            slots,
            insides: Vec::new(),
            lasting: None,
        }
    }

    /// Goes to an element of the array that is exploded: what was found since the first of them is
    /// found anew.
    pub fn take_item(&mut self, item: Option<Json<'x>>) {
        self.item = item;
        let here = (self.values.len(), self.insides.len());
        let (values, insides) = *self.lasting.get_or_insert(here);
        self.values.truncate(values);
        self.insides.truncate(insides);
        for (slot, node) in self.slots.iter_mut().zip(&self.places.0) {
            let is_found = slot.value != ABSENT && slot.value as usize > values;
            if node.of_item || is_found {
                slot.value = UNKNOWN;
            }
            if node.of_item || slot.inside as usize > insides {
                slot.inside = UNKNOWN;
            }
        }
    }

    /// The value at a place; none where it is absent.
    pub fn get(&mut self, place: Place) -> Result<Option<Json<'x>>, Reason> {
        match self.at(place) {
            Ok(ABSENT) => Ok(None),
            Ok(at) => Ok(Some(self.values[at as usize - 1])),
            Err(reason) => Err(*reason),
        }
    }

    /// Which value is at a place. Most places are absent, and so are those inside them: that must
    /// be told quickly, so it fits into registers.
    fn at(&mut self, place: Place) -> Result<u32, Box<Reason>> {
        let known = self.slots[place.0].value;
        if known != UNKNOWN {
            return Ok(known);
        }
        let at = match self.places.0[place.0].parent {
            Some(parent) if self.is_absent(parent)? => ABSENT,
            _ => match self.find(place)? {
                None => ABSENT,
                Some(json) => {
                    self.values.push(json);
                    self.values.len() as u32
                }
            },
        };
        self.slots[place.0].value = at;
        Ok(at)
    }

    fn is_absent(&mut self, place: Place) -> Result<bool, Box<Reason>> {
        let is_element = self.places.0[place.0].hop == Hop::Element;
        Ok(!is_element && self.at(place)? == ABSENT)
    }

    /// What is known to be in the value at a place.
    fn known(&self, place: Place) -> Option<&Inside<'x>> {
        self.insides.get((self.slots[place.0].inside as usize).checked_sub(1)?)
    }

    fn keep(&mut self, place: Place, inside: Inside<'x>) {
        self.insides.push(inside);
        self.slots[place.0].inside = self.insides.len() as u32;
    }

    /// Goes back over the places before it: no more than a path has steps.
    fn find(&mut self, place: Place) -> Result<Option<Json<'x>>, Reason> {
        let node = &self.places.0[place.0];
        let Some(parent) = node.parent else {
            return Ok(match node.hop {
                Hop::Item => self.item,
                Hop::Before => self.context.change.map(|change| change.before),
                _ => None,
            });
        };
        match &node.hop {
            Hop::Name(name) => self.named(parent, name),
            Hop::ItemName => match self.item.and_then(|item| item.text()) {
                Some(name) => self.named(parent, &name),
                None => Ok(None),
            },
            Hop::At(at) => self.nth(parent, *at),
            Hop::By(_) => self.get(parent),
            Hop::Is(text) => self.keyed(parent, text),
            Hop::IsItem => match self.item.and_then(|item| item.text()) {
                Some(text) => self.keyed(parent, &text),
                None => Ok(None),
            },
            _ => Ok(None),
        }
    }

    fn named(&mut self, parent: Place, name: &str) -> Result<Option<Json<'x>>, Reason> {
        if self.places.0[parent.0].hop == Hop::Element {
            return Ok(self.object.find(name));
        }
        match self.get(parent)? {
            Some(json) if json.is_placed() => Ok(json.member(name)),
            Some(json) if json.raw().starts_with('{') => match self.inside(parent)? {
                Inside::Object(object) => Ok(object.find(name)),
                _ => Ok(None),
            },
            _ => Ok(None),
        }
    }

    /// What is in the value at a place, read once.
    fn inside(&mut self, place: Place) -> Result<&Inside<'x>, Reason> {
        if self.known(place).is_none() {
            let inside = match self.get(place)? {
                Some(json) if json.raw().starts_with('[') => Inside::List(self.context.list(json)?),
                Some(json) => json.object().map_or(Inside::Nothing, Inside::Object),
                None => Inside::Nothing,
            };
            self.keep(place, inside);
        }
        Ok(self.known(place).unwrap_or(&Inside::Nothing))
    }

    fn list(&mut self, place: Place) -> Result<&[Json<'x>], Reason> {
        match self.inside(place)? {
            Inside::List(list) => Ok(list),
            _ => Ok(&[]),
        }
    }

    fn nth(&mut self, parent: Place, at: i64) -> Result<Option<Json<'x>>, Reason> {
        let list = self.list(parent)?;
        let at = if at < 0 { at.saturating_add_unsigned(list.len() as u64) } else { at };
        Ok(usize::try_from(at).ok().and_then(|at| list.get(at)).copied())
    }

    /// Of several objects with the same text the first one.
    fn keyed(&mut self, by: Place, text: &str) -> Result<Option<Json<'x>>, Reason> {
        if self.known(by).is_none() {
            let Node { hop: Hop::By(key), parent: Some(parent), .. } = &self.places.0[by.0] else {
                return Ok(None);
            };
            let text = |json: &Json<'x>| json.member(key)?.text();
            let list = self.list(*parent)?;
            let mut keyed = Vec::with_capacity(list.len());
            keyed.extend(list.iter().filter_map(|json| Some((text(json)?, *json))));
            self.keep(by, Inside::Keyed(keyed));
        }
        let Some(Inside::Keyed(keyed)) = self.known(by) else { return Ok(None) };
        Ok(keyed.iter().find(|(key, _)| key == text).map(|(_, json)| *json))
    }

    /// The elements of the array at a place; none where it is anything else.
    pub fn items(&mut self, place: Place) -> Result<Vec<Json<'x>>, Reason> {
        Ok(self.list(place)?.to_vec())
    }

    /// A text, the digits of a number, the name of a boolean.
    pub fn text(&mut self, place: Place) -> Result<Option<Cow<'x, str>>, Reason> {
        if let Some(text) = self.told(place) {
            return Ok(text.map(Cow::Borrowed));
        }
        Ok(self.get(place)?.and_then(word))
    }

    /// What the change feed says, where the place is a text of it.
    pub fn told(&self, place: Place) -> Option<Option<&'x str>> {
        let change = self.context.change;
        match self.places.0[place.0].hop {
            Hop::Op => Some(change.map(|change| change.op.as_str())),
            Hop::Table => Some(change.map(|change| change.table).filter(|t| !t.is_empty())),
            _ => None,
        }
    }

    /// Whether all conditions hold.
    pub fn holds(&mut self, tests: &[Test]) -> Result<bool, Reason> {
        for Test { place, is } in tests {
            let holds = match is {
                Is::There(there) => {
                    let told = self.told(*place).flatten().is_some();
                    (told || self.get(*place)?.is_some_and(|json| json.raw() != "null")) == *there
                }
                Is::OneOf(texts) => {
                    self.text(*place)?.is_some_and(|text| texts.iter().any(|t| *t == text))
                }
                Is::NoneOf(texts) => {
                    self.text(*place)?.is_none_or(|text| texts.iter().all(|t| *t != text))
                }
            };
            if !holds {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// A text, the digits of a number, the name of a boolean.
pub fn word(json: Json<'_>) -> Option<Cow<'_, str>> {
    match json.raw() {
        "true" => Some(Cow::Borrowed("true")),
        "false" => Some(Cow::Borrowed("false")),
        _ => json.text(),
    }
}

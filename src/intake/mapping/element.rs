//! An element under a mapping: the values at its places, each object and array read at most once.

use std::borrow::Cow;

use crate::intake::json::{Json, Object};
use crate::intake::native::Context;
use crate::model::deadletter::{Code, Reason};
use crate::model::mapping::{Hop, Is, Mapping, Node, Place, Places, Test};

/// What is known of a place: a mapping has many, and an element needs few and has fewer.
#[derive(Clone, Copy, Default)]
struct Slot {
    /// Its value: 1 more than the index of it.
    value: u32,
    /// What is in its value: 1 more than the index of that.
    inside: u32,
    /// The same by names or texts: 1 more than the index of that.
    index: u32,
}

/// An element may make its mapping work through texts of so many times the limit of a record.
const WORK: usize = 64;

/// Nothing asked for it yet.
const UNKNOWN: u32 = 0;
/// There is no such value.
const ABSENT: u32 = u32::MAX;

/// What is in a value.
enum Inside<'x> {
    /// An object of which only the text is known.
    Object(Object<'x>),
    List(Vec<Json<'x>>),
    Nothing,
}

/// Values by text, sorted: many elements of an array may each ask for one of many.
struct Keyed<'x>(Vec<(Cow<'x, str>, Json<'x>)>);

impl<'x> Keyed<'x> {
    fn of(mut all: Vec<(Cow<'x, str>, Json<'x>)>) -> Keyed<'x> {
        // Stable, so that of the same text the first one stays first.
        all.sort_by(|a, b| a.0.cmp(&b.0));
        Keyed(all)
    }

    fn find(&self, text: &str) -> Option<Json<'x>> {
        let at = self.0.partition_point(|(key, _)| &**key < text);
        self.0.get(at).filter(|(key, _)| key == text).map(|(_, json)| *json)
    }
}

/// What was found at places: no more than there are places.
#[derive(Default)]
struct Found<'x> {
    values: Vec<Json<'x>>,
    insides: Vec<Inside<'x>>,
    indexes: Vec<Keyed<'x>>,
}

impl Found<'_> {
    fn clear(&mut self) {
        self.values.clear();
        self.insides.clear();
        self.indexes.clear();
    }
}

/// An element under a mapping.
pub struct Element<'x> {
    pub(super) context: &'x Context<'x>,
    pub(super) mapping: &'x Mapping,
    places: &'x Places,
    object: &'x Object<'x>,
    item: Option<Json<'x>>,
    /// Bytes of the texts that steps were done with.
    spent: usize,
    /// By the place.
    slots: Vec<Slot>,
    /// At the places that are the same for each element of the array that is exploded.
    lasting: Found<'x>,
    /// At those that are another one for each.
    of_item: Found<'x>,
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
            spent: 0,
            lasting: Found { values: Vec::with_capacity(slots.len().min(16)), ..Found::default() },
            slots,
            of_item: Found::default(),
        }
    }

    /// Goes to an element of the array that is exploded. What does not depend on it stays: an array
    /// may have very many elements, and what is around it may be large.
    pub fn take_item(&mut self, item: Option<Json<'x>>) {
        self.item = item;
        self.of_item.clear();
        for (slot, node) in self.slots.iter_mut().zip(&self.places.0) {
            if node.of_item {
                *slot = Slot::default();
            }
        }
    }

    /// Counts what is done with texts: each element of an array may ask for what is around it anew.
    pub(super) fn spend(&mut self, bytes: usize) -> Result<(), Reason> {
        self.spent = self.spent.saturating_add(bytes);
        let limit = self.context.decoder.limits.max_record_bytes;
        if self.spent > limit.saturating_mul(WORK) {
            let why = format!(
                "its mapping works through texts of more than {WORK} times {limit} bytes, the \
                 limit of a record: hash or join fewer of them in an exploded array"
            );
            return Err(Reason::new(Code::TooLarge, why));
        }
        Ok(())
    }

    fn found(&self, place: Place) -> &Found<'x> {
        if self.places.0[place.0].of_item { &self.of_item } else { &self.lasting }
    }

    fn found_mut(&mut self, place: Place) -> &mut Found<'x> {
        if self.places.0[place.0].of_item { &mut self.of_item } else { &mut self.lasting }
    }

    /// The value at a place; none where it is absent.
    pub fn get(&mut self, place: Place) -> Result<Option<Json<'x>>, Reason> {
        match self.at(place) {
            Ok(ABSENT) => Ok(None),
            Ok(at) => Ok(Some(self.found(place).values[at as usize - 1])),
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
                    let values = &mut self.found_mut(place).values;
                    values.push(json);
                    values.len() as u32
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
        let at = (self.slots[place.0].inside as usize).checked_sub(1)?;
        self.found(place).insides.get(at)
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
                Some(name) => self.by_name(parent, &name),
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
            let insides = &mut self.found_mut(place).insides;
            insides.push(inside);
            self.slots[place.0].inside = insides.len() as u32;
        }
        Ok(self.known(place).unwrap_or(&Inside::Nothing))
    }

    fn list(&mut self, place: Place) -> Result<&[Json<'x>], Reason> {
        match self.inside(place)? {
            Inside::List(list) => Ok(list),
            _ => Ok(&[]),
        }
    }

    /// The element of the array at a place, from the end where negative.
    pub fn nth(&mut self, parent: Place, at: i64) -> Result<Option<Json<'x>>, Reason> {
        let list = self.list(parent)?;
        let at = if at < 0 { at.saturating_add_unsigned(list.len() as u64) } else { at };
        Ok(usize::try_from(at).ok().and_then(|at| list.get(at)).copied())
    }

    /// Of several objects with the same text the first one.
    fn keyed(&mut self, by: Place, text: &str) -> Result<Option<Json<'x>>, Reason> {
        Ok(self.index(by)?.find(text))
    }

    /// The value of a name that is another one for each element of an array.
    fn by_name(&mut self, place: Place, name: &str) -> Result<Option<Json<'x>>, Reason> {
        let is_element = self.places.0[place.0].hop == Hop::Element;
        if is_element || self.get(place)?.is_some_and(|json| json.raw().starts_with('{')) {
            return Ok(self.index(place)?.find(name));
        }
        Ok(None)
    }

    /// Whether the array at a place has this text.
    pub fn lists(&mut self, place: Place, text: &str) -> Result<bool, Reason> {
        let is_list = self.get(place)?.is_some_and(|json| json.raw().starts_with('['));
        Ok(is_list && self.index(place)?.find(text).is_some())
    }

    /// What is in the value at a place by text, read once: the members of an object by name, the
    /// elements of an array by what they are, or by what they have under the name of [`Hop::By`].
    fn index(&mut self, place: Place) -> Result<&Keyed<'x>, Reason> {
        if self.slots[place.0].index == UNKNOWN {
            let all = match &self.places.0[place.0] {
                Node { hop: Hop::By(key), parent: Some(parent), .. } => {
                    let text = |json: &Json<'x>| json.member(key)?.text();
                    let list = self.list(*parent)?.iter();
                    list.filter_map(|json| Some((text(json)?, *json))).collect()
                }
                Node { hop: Hop::Element, .. } => self.object.clone().into_members(),
                _ => match self.get(place)?.and_then(Json::object) {
                    Some(object) => object.into_members(),
                    None => {
                        let list = self.list(place)?.iter();
                        list.filter_map(|json| Some((json.text()?, *json))).collect()
                    }
                },
            };
            let indexes = &mut self.found_mut(place).indexes;
            indexes.push(Keyed::of(all));
            self.slots[place.0].index = indexes.len() as u32;
        }
        let at = self.slots[place.0].index as usize - 1;
        Ok(&self.found(place).indexes[at])
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

//! By which link, and from which page, somebody came: what addresses and their tags say. The rules
//! of `channels` make a channel of it.

use super::form;
use super::json::{Json, Object};
use super::make::{How, Outline, Unit};
use super::native::Context;
use crate::model::channel::host;
use crate::model::deadletter::Reason;
use crate::model::event::Field;

/// The tags of a link, by the names that nearly everyone gives them.
pub const TAGS: [(&str, Field); 3] = [
    ("utm_campaign", Field::Campaign),
    ("utm_medium", Field::Medium),
    ("utm_source", Field::Source),
];

/// States the tags that a table of names and values has.
pub fn tags(
    context: &Context<'_>,
    table: &Object<'_>,
    outline: &mut Outline,
) -> Result<(), Reason> {
    for (name, field) in TAGS {
        let json = table.get(name);
        if !json.is_empty() && json.text().is_some() {
            outline.field(context, field, json, &How::plain(Unit::Seconds))?;
        }
    }
    Ok(())
}

/// States the tags of the address that somebody came to.
pub fn landed(address: &str, outline: &mut Outline) {
    let query = address.split_once('?').map_or("", |(_, query)| query);
    let query = query.split('#').next().unwrap_or_default();
    for (name, value) in form::pairs(query) {
        let tag = TAGS.iter().find(|(tag, _)| *tag == name);
        if let Some((_, field)) = tag.filter(|_| !value.trim().is_empty()) {
            outline.text(*field, value.into_owned());
        }
    }
}

/// States the page that somebody came from, without what stands behind its path, which may name
/// people. A page of the company itself, or of the site that they came to, brought nobody.
pub fn referred(context: &Context<'_>, address: Json<'_>, page: Json<'_>, outline: &mut Outline) {
    let Some(address) = address.text() else { return };
    let address = address.split(['?', '#']).next().unwrap_or_default().trim();
    let bare = |host: &str| host.to_lowercase().trim_start_matches("www.").to_owned();
    let Some(from) = host(address).map(bare) else { return };
    let to = page.text().and_then(|page| host(&page).map(bare));
    if to.as_ref() != Some(&from) && !context.decoder.reading.channels.is_own(&from) {
        outline.text(Field::Referrer, address);
    }
}

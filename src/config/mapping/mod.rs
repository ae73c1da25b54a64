//! Mappings: the shipped ones, those of files, and how a text becomes a program
//! ([`crate::model::mapping`]). All that could go wrong with one is found here, so that at a record
//! only the record can be wrong.

mod compile;
mod typed;
mod value;

use std::path::Path;
use std::sync::Arc;

use super::fault::ConfigError;
use super::near::{listed, nearest};
use super::read::{Place, Reader};
use super::shape::{Shape, Shaped};
use crate::model::mapping::Mapping;
use typed::MappingFile;

/// The shipped mappings: name and text.
pub const PACKS: &[(&str, &str)] = &[
    ("copper", include_str!("../../../config/mappings/copper.toml")),
    ("zoho", include_str!("../../../config/mappings/zoho.toml")),
    ("dynamics", include_str!("../../../config/mappings/dynamics.toml")),
    ("twenty", include_str!("../../../config/mappings/twenty.toml")),
    ("odoo", include_str!("../../../config/mappings/odoo.toml")),
    ("klaviyo", include_str!("../../../config/mappings/klaviyo.toml")),
    ("braze", include_str!("../../../config/mappings/braze.toml")),
    ("mailchimp", include_str!("../../../config/mappings/mailchimp.toml")),
    ("google_lead_form", include_str!("../../../config/mappings/google_lead_form.toml")),
    ("ad_spend", include_str!("../../../config/mappings/ad_spend.toml")),
];

/// Reads a mapping: a shipped one by its name, or a file.
pub fn load_mapping(given: &str) -> Result<Mapping, ConfigError> {
    if let Some((name, text)) = PACKS.iter().find(|(name, _)| *name == given) {
        return mapping_from_toml(text, name);
    }
    let path = Path::new(given);
    match std::fs::read_to_string(path) {
        Ok(text) => mapping_from_toml(&text, given),
        Err(source) => Err(ConfigError::Read { path: path.to_owned(), source }),
    }
}

/// Reads a text. `name` is shown in messages; without the directory and `.toml` it is the system of
/// the mapping's events where the text names none.
pub fn mapping_from_toml(text: &str, name: &str) -> Result<Mapping, ConfigError> {
    let mut reader = Reader::default();
    let mapping = read(&mut reader, "mapping", text, name, true);
    reader.finish()?;
    Ok(mapping.expect("what has no fault is a mapping"))
}

/// The mapping that a source names: a shipped one, or a file beside the configuration.
pub(super) fn of_source(
    reader: &mut Reader,
    key: &str,
    given: &str,
    base: &Path,
) -> Option<Arc<Mapping>> {
    let packs = PACKS.iter().map(|(name, _)| *name);
    if let Some((name, text)) = PACKS.iter().find(|(name, _)| *name == given) {
        return read(reader, key, text, name, false).map(Arc::new);
    }
    if !given.contains(['/', '\\']) && !given.ends_with(".toml") {
        let mend = match nearest(given, packs.clone()) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => format!(
                "write one of {}, or a file beside this one: \"mappings/own.toml\"",
                listed(packs)
            ),
        };
        reader.fault(key, format!("\"{given}\" is no mapping that comes with Tidemark"), mend);
        return None;
    }
    let path = base.join(given);
    let shown = path.display().to_string();
    match std::fs::read_to_string(&path) {
        Ok(text) => read(reader, key, &text, &shown, false).map(Arc::new),
        Err(e) => {
            let what = format!("the mapping \"{shown}\" cannot be read: {e}");
            let mend = "name an existing file; a relative path starts at the configuration file";
            reader.fault(key, what, mend);
            None
        }
    }
}

/// Reads a text whose keys stand behind `prefix`; `whole` where it is read for itself.
fn read(reader: &mut Reader, prefix: &str, text: &str, name: &str, whole: bool) -> Option<Mapping> {
    let Shape::Table(shape) = MappingFile::SHAPE else { return None };
    let source = reader.sources();
    let layer = reader.text(name, text, shape, prefix)?;
    if whole {
        reader.set_place(prefix, Some(Place::Text { source, span: 0..0 }));
    }
    if reader.faulty(&[prefix]) {
        return None;
    }
    let table = config::Value::new(None, config::ValueKind::Table(layer.0));
    match table.try_deserialize::<MappingFile>() {
        Ok(file) => compile::compile(reader, prefix, file, name),
        Err(e) => {
            reader.fault(prefix, format!("\"{name}\" cannot be used: {e}"), "mend the mapping");
            None
        }
    }
}

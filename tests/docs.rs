//! The generated pages under `docs/` are what the binary prints: run `make docs` when they differ.

use tidemark::reference;

fn check(path: &str, text: &str) {
    let file = format!("{}/docs/{path}", env!("CARGO_MANIFEST_DIR"));
    let held = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(held == text, "docs/{path} is stale: run `make docs`");
}

#[test]
fn generated_pages_are_fresh() {
    check("event.schema.json", &reference::event_schema());
    check("alert.schema.json", &reference::alert_schema());
    check("kpis.md", &reference::kpis());
    check("metrics.md", &reference::metrics());
    check("events-reference.md", &reference::events());
}

/// What the page on sources says of channels is a configuration that loads.
#[test]
fn the_channels_of_the_page_on_sources_load() {
    let page = include_str!("../docs/sources.md");
    let block = page.split("```toml\n").find(|block| block.starts_with("[channels]"));
    let block = block.and_then(|block| block.split("```").next()).expect("it is there");
    let config = tidemark::config::Config::from_toml(block, "sources.md", std::iter::empty());
    config.unwrap_or_else(|e| panic!("{e}"));
}

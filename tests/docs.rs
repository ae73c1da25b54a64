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

/// The columns of a file of reference data that the table of published truths names, in the rows from
/// that of the file to that of the next one.
fn named(table: &str, file: &str) -> Vec<String> {
    let rows = table.lines().filter_map(|line| line.strip_prefix("| "));
    let cells = rows.map(|row| row.split(" | ").next().unwrap_or_default());
    let of_file = cells.skip_while(|cell| !cell.starts_with(&format!("{file}: ")));
    let others = of_file.enumerate().take_while(|(i, cell)| *i == 0 || !cell.contains("`: "));
    let words = others.flat_map(|(_, cell)| cell.rsplit("`: ").next().unwrap_or(cell).split(", "));
    words.map(str::to_owned).collect()
}

/// Whatever a published truth measures is compared, or the page says why not.
#[test]
fn every_column_of_a_published_truth_is_in_the_table() {
    let root = std::env::var_os("TIDEMARK_SHARED").map_or_else(
        || std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"),
        std::path::PathBuf::from,
    );
    let page = reference::kpis();
    let table = page.split("## Published truths").nth(1).expect("it is there");
    let table = table.split("\n## ").next().expect("the first part");
    for (name, dir) in [("Maven", "maven_crm"), ("CDNOW", "cdnow")] {
        let Ok(files) = std::fs::read_dir(root.join("data").join(dir)) else {
            println!("skipped: the reference data is not here");
            return;
        };
        let mut truths = 0;
        for file in files {
            let path = file.expect("a file").path();
            let file = path.file_name().expect("a name").to_string_lossy().into_owned();
            if !file.starts_with("truth") || !file.ends_with(".csv") {
                continue;
            }
            truths += 1;
            let text = std::fs::read_to_string(&path).expect("a text");
            let known = named(table, &format!("{name} `{file}`"));
            // What says of which member and window a line is.
            let keys = ["dim", "key", "month", "day", "cohort", "age", "dataset", "group"];
            for column in text.lines().next().expect("a head").split(',') {
                let is_named = keys.contains(&column) || known.iter().any(|word| word == column);
                assert!(is_named, "{file} {column} is not in the table: {known:?}");
            }
        }
        assert!(truths >= 2, "{dir}: {truths}");
    }
}

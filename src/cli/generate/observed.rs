//! `tidemark generate alerts` and `tidemark generate dashboards`: files for Prometheus and Grafana,
//! written or compared.

use std::path::Path;

use anyhow::{Context as _, anyhow};

use crate::cli::Failure;

/// Compares a file with what it should be.
pub fn check_file(path: &Path, text: &str, mend: &str) -> Result<(), Failure> {
    match stale(path, text) {
        None => Ok(()),
        Some(what) => Err(Failure::Runtime(anyhow!("{what}\n  write it with: {mend}"))),
    }
}

/// What differs between a file and what it should be.
fn stale(path: &Path, text: &str) -> Option<String> {
    let path_shown = path.display();
    let held = match std::fs::read_to_string(path) {
        Ok(held) => held,
        Err(error) => return Some(format!("{path_shown} cannot be read: {error}")),
    };
    if held == text {
        return None;
    }
    let differs = held.lines().zip(text.lines()).position(|(a, b)| a != b);
    let at = differs.unwrap_or_else(|| held.lines().count().min(text.lines().count()));
    let line = |of: &str| of.lines().nth(at).map_or("the end of the file", str::trim).to_owned();
    let (has, should) = (line(&held), line(text));
    Some(format!(
        "{path_shown} is stale: line {} has\n    {has}\n  and should have\n    {should}",
        at + 1
    ))
}

/// Writes a directory of files; what of `owned` names is in it and not among them is deleted.
pub fn write_files(
    directory: &Path,
    files: &[(String, String)],
    owned: fn(&str) -> bool,
) -> Result<(), Failure> {
    let shown = directory.display();
    std::fs::create_dir_all(directory)
        .with_context(|| format!("cannot create {shown}"))
        .map_err(Failure::Runtime)?;
    for (name, text) in files {
        let path = directory.join(name);
        std::fs::write(&path, text)
            .with_context(|| format!("cannot write {}", path.display()))
            .map_err(Failure::Runtime)?;
    }
    for name in left_over(directory, files, owned) {
        let path = directory.join(name);
        std::fs::remove_file(&path)
            .with_context(|| format!("cannot delete {}", path.display()))
            .map_err(Failure::Runtime)?;
    }
    Ok(())
}

/// Compares a directory of files; all that differs is told, and all that is not among them.
pub fn check_files(
    directory: &Path,
    files: &[(String, String)],
    owned: fn(&str) -> bool,
    mend: &str,
) -> Result<(), Failure> {
    let mut faults: Vec<String> =
        files.iter().filter_map(|(name, text)| stale(&directory.join(name), text)).collect();
    let is_stale = !faults.is_empty();
    for name in left_over(directory, files, |name| name.ends_with(".json")) {
        let why = match owned(&name) {
            true => "is generated no longer",
            false => "is none of those that are generated: keep it elsewhere",
        };
        faults.push(format!("{} {why}", directory.join(name).display()));
    }
    if faults.is_empty() {
        return Ok(());
    }
    // What others keep there is not mended by writing ours.
    let are_ours = is_stale || !left_over(directory, files, owned).is_empty();
    let mend = if are_ours { format!("\n  write them with: {mend}") } else { String::new() };
    Err(Failure::Runtime(anyhow!("{}{mend}", faults.join("\n"))))
}

fn left_over(directory: &Path, files: &[(String, String)], owned: fn(&str) -> bool) -> Vec<String> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let mut over: Vec<String> = names
        .filter(|name| owned(name) && files.iter().all(|(wanted, _)| wanted != name))
        .collect();
    over.sort_unstable();
    over
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(done: Result<(), Failure>) -> String {
        match done {
            Err(Failure::Runtime(error)) => error.to_string(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_is_stale_is_told_with_its_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("rules.yml");
        assert!(said(check_file(&path, "a\n", "generate")).contains("cannot be read"));
        std::fs::write(&path, "a\nb\n").unwrap();
        check_file(&path, "a\nb\n", "generate").unwrap();
        let text = said(check_file(&path, "a\nc\n", "generate it"));
        assert!(text.contains("line 2 has\n    b\n  and should have\n    c"), "{text}");
        assert!(text.ends_with("write it with: generate it"), "{text}");
        assert!(
            said(check_file(&path, "a\n", "")).contains("should have\n    the end of the file")
        );
    }

    #[test]
    fn a_directory_has_these_files_and_no_others_of_ours() {
        let dir = tempfile::tempdir().unwrap();
        let ours: fn(&str) -> bool = |name| name.starts_with("tidemark-");
        let files = |names: &[&str]| -> Vec<(String, String)> {
            names.iter().map(|name| ((*name).to_owned(), "{}\n".to_owned())).collect()
        };
        let (two, one) =
            (files(&["tidemark-a.json", "tidemark-b.json"]), files(&["tidemark-a.json"]));
        write_files(dir.path(), &two, ours).unwrap();
        check_files(dir.path(), &two, ours, "").unwrap();
        let yours = dir.path().join("yours.json");
        std::fs::write(&yours, "").unwrap();
        assert!(
            said(check_files(dir.path(), &one, ours, "x")).contains("tidemark-b.json is generated")
        );
        write_files(dir.path(), &one, ours).unwrap();
        let text = said(check_files(dir.path(), &one, ours, ""));
        assert!(text.contains("yours.json is none of those that are generated"), "{text}");
        assert!(!text.contains("tidemark-"), "{text}");
        std::fs::remove_file(yours).unwrap();
        check_files(dir.path(), &one, ours, "").unwrap();
    }
}

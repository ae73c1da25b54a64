//! The checks: each reads the whole tree and gives the faults it finds, with their places.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::source::{Name, Source, Tree, is_or_inside, item_end, lines, names, says_word};
use super::{
    CLOCKS, CORE, FLOATS, IMPURE, IMPURE_MACROS, LINES_A_FILE, LINES_A_FUNCTION, LONG_FILES,
    MAY_IMPORT, SEEDED,
};

/// What is wrong, a line each.
pub type Faults = Vec<String>;

fn is_core(source: &Source) -> bool {
    source.module().is_some_and(|m| CORE.contains(&m))
}

pub fn imports_point_one_way(tree: &Tree) -> Faults {
    let mut out = Faults::new();
    for source in tree.values() {
        let Some(module) = source.module() else {
            continue;
        };
        let Some((_, allowed)) = MAY_IMPORT.iter().find(|(name, _)| *name == module) else {
            out.push(format!("{}: module \"{module}\" has no line in MAY_IMPORT", source.path));
            continue;
        };
        let inner = source.path.trim_start_matches("src/").trim_end_matches(".rs");
        let depth = inner.trim_end_matches("/mod").split('/').count();
        for name in names(&source.shipped) {
            let parts: Vec<&str> = name.path.split("::").collect();
            let climbed = parts.iter().take_while(|p| **p == "super").count();
            let other = match parts[..] {
                ["crate", other, ..] if other != module => other,
                ["tidemark", ..] => "tidemark",
                [_, _, ..] if climbed >= depth => parts[climbed],
                _ => continue,
            };
            if !allowed.contains(&other) {
                let (path, line) = (&source.path, name.line);
                out.push(format!(
                    "{path}:{line}: {module} may not import {other}; it may: {allowed:?}"
                ));
            }
        }
    }
    out
}

pub fn the_core_is_pure(tree: &Tree) -> Faults {
    let mut out = Faults::new();
    for source in tree.values().filter(|s| is_core(s)) {
        for name in names(&source.shipped) {
            let seeded = source.path == SEEDED && name.path.starts_with("rand");
            let impure = IMPURE.iter().any(|i| is_or_inside(&name.path, i)) && !seeded;
            let loud = name.is_macro && IMPURE_MACROS.contains(&name.path.as_str());
            let line = source.shipped.lines().nth(name.line - 1).unwrap_or_default();
            let hash = ["HashMap", "HashSet"].iter().any(|h| is_or_inside(&name.path, h));
            let random = hash && !name.in_use && !line.contains("FixedState");
            if impure || loud || random {
                let why =
                    if random { ", whose order is random: name FixedState, or sort" } else { "" };
                let (path, line) = (&source.path, name.line);
                out.push(format!("{path}:{line}: the core may not use {}{why}", name.path));
            }
        }
    }
    out
}

pub fn state_has_no_floats(tree: &Tree) -> Faults {
    let mut out = Faults::new();
    for source in tree.values().filter(|s| is_core(s) && s.module() != Some("world")) {
        let is_float = |n: &&Name| is_or_inside(&n.path, "f64") || is_or_inside(&n.path, "f32");
        let found = names(&source.shipped);
        let allowed = FLOATS.iter().any(|(path, _)| *path == source.path);
        match found.iter().find(is_float) {
            Some(name) if !allowed => {
                out.push(format!(
                    "{}:{}: a float in the core (FLOATS has the exceptions)",
                    source.path, name.line
                ));
            }
            None if allowed => {
                out.push(format!("{}: has no float: take it out of FLOATS", source.path))
            }
            _ => {}
        }
    }
    out
}

pub fn files_fit(tree: &Tree) -> Faults {
    let mut out = Faults::new();
    for (path, source) in tree.iter().filter(|(p, _)| p.ends_with(".rs") || p.ends_with(".js")) {
        let n = source.text.lines().count();
        let listed = LONG_FILES.iter().any(|(long, _)| long == path);
        if n > LINES_A_FILE && !listed {
            out.push(format!("{path}: {n} lines; the limit is {LINES_A_FILE}"));
        } else if n <= LINES_A_FILE && listed {
            out.push(format!("{path}: fits by now: take it out of LONG_FILES"));
        }
    }
    out
}

pub fn functions_fit(tree: &Tree) -> Faults {
    let mut out = Faults::new();
    for source in tree.values() {
        for (from, _) in source.code.match_indices("fn ") {
            let rest = &source.code[from + 3..];
            let joined = source.code[..from].ends_with(|c: char| c.is_alphanumeric() || c == '_');
            if joined || !rest.starts_with(|c: char| c.is_alphabetic() || c == '_') {
                continue;
            }
            let to = item_end(&source.code, from).unwrap_or(source.code.len());
            let n = source.code[from..to].lines().count();
            if n > LINES_A_FUNCTION {
                let line = source.code[..from].lines().count();
                let name = rest.split(['(', '<']).next().unwrap_or_default();
                let path = &source.path;
                out.push(format!(
                    "{path}:{line}: \"{name}\" has {n} lines; the limit is {LINES_A_FUNCTION}"
                ));
            }
        }
    }
    out
}

pub fn nothing_is_left_to_do(tree: &Tree) -> Faults {
    let mut out = Faults::new();
    let marks = [concat!("TO", "DO"), concat!("FIX", "ME")];
    for source in tree.values() {
        let path = &source.path;
        for (n, line) in lines(&source.shipped).filter(|(_, l)| l.contains(".unwrap()")) {
            out.push(format!("{path}:{n}: unwrap outside tests: {}", line.trim()));
        }
        for name in names(&source.code).iter().filter(|n| n.is_macro) {
            if ["todo", "unimplemented", "dbg"].contains(&name.path.as_str()) {
                out.push(format!("{path}:{}: {}! is left", name.line, name.path));
            }
        }
        for (n, line) in lines(&source.text).filter(|(_, l)| marks.iter().any(|m| says_word(l, m)))
        {
            out.push(format!("{path}:{n}: do it, or open an issue: {}", line.trim()));
        }
    }
    out
}

pub fn one_file_reads_the_clock(tree: &Tree) -> Faults {
    let mut out = Faults::new();
    for source in tree.values().filter(|s| s.path != "src/clock.rs") {
        let reads =
            |n: &Name| CLOCKS.iter().any(|c| n.path == *c || n.path.ends_with(&format!("::{c}")));
        let calls = names(&source.code).into_iter().filter(reads).map(|n| (n.line, n.path));
        let elapsed = lines(&source.shipped).filter(|(_, l)| l.contains(".elapsed()"));
        for (line, what) in calls.chain(elapsed.map(|(n, _)| (n, "elapsed()".to_owned()))) {
            out.push(format!("{}:{line}: {what} reads the clock: ask crate::clock", source.path));
        }
    }
    out
}

pub fn metrics_are_documented(tree: &Tree) -> Faults {
    let known = |name: &str| tree["docs/metrics.md"].text.contains(&format!("`{name}`"));
    let mut out = Faults::new();
    for source in tree.values() {
        let quote = match source.path.as_str() {
            path if path.starts_with("src/telemetry") => '"',
            "docs/operations.md" | "docs/guarantees.md" => '`',
            _ => continue,
        };
        for (n, line) in lines(&source.text) {
            let quoted = line.split(quote).skip(1).step_by(2);
            let plain = |name: &&str| name.chars().all(|c| c.is_ascii_lowercase() || c == '_');
            for name in quoted.filter(|q| q.len() > 9 && q.starts_with("tidemark_")).filter(plain) {
                if !known(name) {
                    out.push(format!("{}:{n}: \"{name}\" is not in docs/metrics.md", source.path));
                }
            }
        }
    }
    out
}

pub fn tests_run_and_do_not_sleep(tree: &Tree) -> Faults {
    let mut out = Faults::new();
    for source in tree.values() {
        for (n, line) in
            lines(&source.code).filter(|(_, l)| l.contains("#[") && says_word(l, "ignore"))
        {
            out.push(format!("{}:{n}: a test that is skipped: {}", source.path, line.trim()));
        }
        let sleeps =
            |n: &Name| n.path.ends_with("thread::sleep") || n.path.ends_with("thread::sleep_ms");
        for name in names(&source.code).iter().filter(|n| sleeps(n)) {
            out.push(format!(
                "{}:{}: wait for what is to happen, with a deadline",
                source.path, name.line
            ));
        }
    }
    out
}

pub fn no_path_of_a_machine(tree: &Tree) -> Faults {
    let tops = ["home", "root", "Users", "mnt", "Volumes", "work", "workspace", "builds"];
    let mut out = Faults::new();
    for source in tree.values() {
        for (n, line) in lines(&source.text) {
            for top in tops.map(|top| format!("/{top}/")) {
                let inside = |i: usize| {
                    line[..i].ends_with(|c: char| c.is_alphanumeric() || "._-/}~*$".contains(c))
                };
                if line.match_indices(&top).any(|(i, _)| !inside(i)) {
                    out.push(format!(
                        "{}:{n}: {top} is a place on somebody's machine",
                        source.path
                    ));
                }
            }
        }
    }
    out
}

pub fn front_doors_are_there(tree: &Tree) -> Faults {
    let text = |path: &str| tree.get(path).map_or("", |s| s.text.as_str());
    let known: BTreeSet<&str> =
        text("Makefile").lines().filter_map(|l| Some(l.split_once(':')?.0)).collect();
    let mut out = Faults::new();
    for command in ["make demo", "make test"] {
        if !text("README.md").contains(command) {
            out.push(format!("README.md: does not say `{command}`"));
        }
    }
    for source in tree.values().filter(|s| s.path.ends_with(".md")) {
        for (n, line) in lines(&source.text) {
            let quoted = line.split('`').skip(1).step_by(2).chain([line]);
            let target =
                |text: &str| Some(text.strip_prefix("make ")?.split([' ', '#']).next()?.to_owned());
            for target in quoted.filter_map(target).filter(|t| !known.contains(t.as_str())) {
                out.push(format!("{}:{n}: the Makefile has no target \"{target}\"", source.path));
            }
        }
    }
    out
}

pub fn exceptions_have_reasons(tree: &Tree) -> Faults {
    let mut out = Faults::new();
    let bans = tree.get("clippy.toml").map_or("", |s| s.text.as_str());
    let inside =
        |line: &&(usize, &str)| line.1.starts_with([' ', '\t']) && !line.1.trim().starts_with('#');
    let reasoned = |line: &str| line.split("reason = \"").nth(1).is_some_and(|why| why.len() > 20);
    for (n, line) in
        lines(bans).collect::<Vec<_>>().iter().filter(inside).filter(|(_, l)| !reasoned(l))
    {
        out.push(format!("clippy.toml:{n}: a ban without its reason: {}", line.trim()));
    }
    for source in tree.values() {
        for what in ["[allow(", "[expect("] {
            for (from, _) in source.code.match_indices(what) {
                let end = source.code[from..].find(']').map_or(source.code.len(), |n| from + n);
                if !source.code[from..end].contains("reason =") {
                    let line = source.code[..from].lines().count();
                    out.push(format!("{}:{line}: a lint is off without its reason", source.path));
                }
            }
        }
    }
    out
}

pub fn documents_name_what_exists(tree: &Tree) -> Faults {
    let exists = |path: &str| {
        let (file, test) = path.split_once("::").unwrap_or((path, ""));
        let dir = format!("{}/", file.trim_end_matches('/'));
        let named = |s: &Arc<Source>| test.is_empty() || says_word(&s.text, &format!("fn {test}"));
        tree.get(file).map_or_else(|| tree.keys().any(|k| k.starts_with(&dir)), named)
    };
    let ours = [
        "src/",
        "tests/",
        "docs/",
        "scripts/",
        "config/",
        "deploy/",
        "benches/",
        "examples/",
        "fuzz/",
    ];
    let mut out = Faults::new();
    for source in tree.values().filter(|s| s.path.ends_with(".md")) {
        for (n, line) in lines(&source.text) {
            let plain = |q: &&str| {
                ours.iter().any(|o| q.starts_with(o)) && !q.contains([' ', '*', '<', '…'])
            };
            let quoted = line.split('`').skip(1).step_by(2).filter(plain).map(str::to_owned);
            let links = line.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next());
            let local = links
                .filter(|l| !l.is_empty() && !l.contains(':'))
                .map(|l| joined(&source.path, l));
            for path in quoted.chain(local).filter(|p| !exists(p)) {
                out.push(format!("{}:{n}: \"{path}\" does not exist", source.path));
            }
        }
    }
    out
}

/// A link as a path from the root.
fn joined(from: &str, link: &str) -> String {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in link.split('/') {
        match part {
            "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

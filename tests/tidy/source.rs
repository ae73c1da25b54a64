//! The tree of this repository as text, and Rust without what is no code: what `tidy.rs` reads.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, OnceLock};

/// One file.
pub struct Source {
    pub path: String,
    pub text: String,
    /// Rust without comments and the contents of strings; else empty.
    pub code: String,
    /// The same without tests.
    pub shipped: String,
}

impl Source {
    pub fn new(path: &str, text: String) -> Source {
        let code = if path.ends_with(".rs") { blanked(&text) } else { String::new() };
        let of_tests = !path.starts_with("src/") || path.ends_with("tests.rs");
        let shipped = if of_tests { String::new() } else { without_tests(&code) };
        Source { path: path.to_owned(), text, code, shipped }
    }

    /// The module that the file belongs to: `ledger` of `src/ledger/entity.rs`.
    pub fn module(&self) -> Option<&str> {
        let inner = self.path.strip_prefix("src/")?.strip_suffix(".rs")?;
        let module = inner.split('/').next()?;
        (!["lib", "main"].contains(&module)).then_some(module)
    }
}

/// By path from the root.
pub type Tree = BTreeMap<String, Arc<Source>>;

/// The tree as it is, read once.
pub fn tree() -> &'static Tree {
    static TREE: OnceLock<Tree> = OnceLock::new();
    TREE.get_or_init(read)
}

fn read() -> Tree {
    fn walk(root: &Path, inner: &str, out: &mut Tree) {
        for entry in std::fs::read_dir(root.join(inner)).expect("the tree can be listed") {
            let entry = entry.expect("the tree can be listed");
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = if inner.is_empty() { name.clone() } else { format!("{inner}/{name}") };
            let kind = entry.file_type().expect("an entry has a type");
            if ["target", ".git", ".venv", "node_modules", "rows.jsonl"].contains(&name.as_str()) {
                continue;
            } else if kind.is_dir() {
                walk(root, &path, out);
            } else if kind.is_file() {
                let bytes = std::fs::read(entry.path()).expect("a file of the tree can be read");
                let text = String::from_utf8(bytes).unwrap_or_default();
                out.insert(path.clone(), Arc::new(Source::new(&path, text)));
            }
        }
    }
    let mut out = Tree::new();
    walk(Path::new(env!("CARGO_MANIFEST_DIR")), "", &mut out);
    out
}

/// The same text with comments and the contents of strings as spaces; lines stay where they are.
fn blanked(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out: Vec<char> = chars.clone();
    let at = |i: usize| chars.get(i).copied().unwrap_or('\0');
    let mut i = 0;
    while i < chars.len() {
        let word_before = i > 0 && (at(i - 1).is_alphanumeric() || at(i - 1) == '_');
        let hashes = chars[i + 1..].iter().take_while(|c| **c == '#').count();
        let (from, to) = if at(i) == '/' && at(i + 1) == '/' {
            (i, i + chars[i..].iter().take_while(|c| **c != '\n').count())
        } else if at(i) == '/' && at(i + 1) == '*' {
            let end = (i + 2..chars.len()).find(|j| at(*j) == '*' && at(j + 1) == '/');
            (i, end.map_or(chars.len(), |j| j + 2))
        } else if at(i) == 'r' && at(i + 1 + hashes) == '"' && (!word_before || at(i - 1) == 'b') {
            let start = i + hashes + 2;
            let closes = |j: usize| at(j) == '"' && (1..=hashes).all(|n| at(j + n) == '#');
            let end = (start..chars.len()).find(|j| closes(*j)).unwrap_or(chars.len());
            i = end + hashes;
            (start, end)
        } else if at(i) == '"' || (at(i) == '\'' && (at(i + 1) == '\\' || at(i + 2) == '\'')) {
            let mut end = i + 1;
            while end < chars.len() && at(end) != at(i) {
                end += if at(end) == '\\' { 2 } else { 1 };
            }
            let start = i + 1;
            i = end;
            (start, end.min(chars.len()))
        } else {
            i += 1;
            continue;
        };
        out[from..to].iter_mut().filter(|c| **c != '\n').for_each(|c| *c = ' ');
        i = to.max(i + 1);
    }
    out.into_iter().collect()
}

/// Where an item ends that begins at `from`: behind its block, or its semicolon.
pub fn item_end(code: &str, from: usize) -> Option<usize> {
    let mut depth = 0;
    for (i, c) in code[from..].char_indices() {
        match c {
            '{' | '(' | '[' => depth += 1,
            '}' | ')' | ']' => depth -= 1,
            _ => {}
        }
        if depth == 0 && (c == '}' || c == ';') {
            return Some(from + i + 1);
        }
    }
    None
}

fn without_tests(code: &str) -> String {
    let mut out = code.to_owned();
    while let Some(from) = out.find("#[cfg(test)]") {
        let to = item_end(&out, from + "#[cfg(test)]".len()).unwrap_or(out.len());
        let blank: String =
            out[from..to].chars().map(|c| if c == '\n' { c } else { ' ' }).collect();
        out.replace_range(from..to, &blank);
    }
    out
}

/// A path as code writes it, `use` trees spelled out.
pub struct Name {
    pub line: usize,
    pub path: String,
    pub is_macro: bool,
    pub in_use: bool,
}

/// All paths in blanked code.
pub fn names(code: &str) -> Vec<Name> {
    let mut out = Vec::new();
    let bytes = code.as_bytes();
    let is_word = |i: usize| bytes.get(i).is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_');
    let (mut i, mut line) = (0, 1);
    while i < bytes.len() {
        if !is_word(i) {
            line += usize::from(bytes[i] == b'\n');
            i += 1;
            continue;
        }
        let from = i;
        while is_word(i) || (code[i..].starts_with("::") && is_word(i + 2)) {
            i += if is_word(i) { 1 } else { 2 };
        }
        let path = code[from..i].to_owned();
        if path == "use" && !code[i..].trim_start().starts_with('<') {
            let end = code[i..].find(';').map_or(code.len(), |n| i + n);
            let mut paths = Vec::new();
            spell_out("", &code[i..end], &mut paths);
            out.extend(paths.into_iter().map(|path| Name {
                line,
                path,
                is_macro: false,
                in_use: true,
            }));
            line += code[i..end].matches('\n').count();
            i = end;
        } else if !bytes[from].is_ascii_digit() {
            out.push(Name { line, path, is_macro: code[i..].starts_with('!'), in_use: false });
        }
    }
    out
}

fn spell_out(before: &str, rest: &str, out: &mut Vec<String>) {
    let Some(open) = rest.find('{') else {
        let path = rest.split(" as ").next().unwrap_or_default().trim();
        if !path.is_empty() {
            out.push(format!("{before}{path}"));
        }
        return;
    };
    let before = format!("{before}{}", rest[..open].trim());
    let inner = &rest[open + 1..rest.rfind('}').unwrap_or(rest.len())];
    let (mut depth, mut from) = (0, 0);
    for (i, c) in inner.char_indices().chain([(inner.len(), ',')]) {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                spell_out(&before, &inner[from..i], out);
                from = i + 1;
            }
            _ => {}
        }
    }
}

/// Whether a path is that of a module, or of something in it.
pub fn is_or_inside(path: &str, of: &str) -> bool {
    path.strip_prefix(of).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// Whether a line has the word as a whole.
pub fn says_word(line: &str, word: &str) -> bool {
    let joins = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    line.match_indices(word).any(|(i, _)| {
        !joins(line[..i].chars().next_back()) && !joins(line[i + word.len()..].chars().next())
    })
}

/// The lines with their numbers.
pub fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    (1..).zip(text.lines())
}

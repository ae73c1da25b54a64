//! Words that activities and touches are counted by.

/// Words by which activities are counted; the place in the list is the word's number, so the list
/// only grows. Number 0 is any other word, or none.
pub const ACTIVITIES: [&str; 7] = ["", "call", "email", "meeting", "task", "note", "demo"];

/// Words by which touches are counted, likewise.
pub const TOUCHES: [&str; 6] = ["", "open", "click", "reply", "visit", "form"];

/// The number of a word in a list, whatever its case; 0 where it is none of them.
pub fn word_number(words: &[&str], word: &str) -> i32 {
    words.iter().position(|w| w.eq_ignore_ascii_case(word)).unwrap_or(0) as i32
}

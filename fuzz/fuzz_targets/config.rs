//! Any text as a configuration is a configuration or a list of faults that can be shown.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tidemark::config::Config;

fuzz_target!(|text: &str| {
    match Config::from_toml(text, "fuzz.toml", std::iter::empty()) {
        Ok(config) => drop(config.summary()),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});

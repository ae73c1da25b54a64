//! Any bytes on the partials topic are merged or refused, never a panic.
#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use tidemark::config::Config;
use tidemark::model::partial::PartialMessage;
use tidemark::model::record::{Offset, Partition};
use tidemark::model::time::Timestamp;
use tidemark::rollup::Rollup;

fuzz_target!(|data: &[u8]| {
    let Ok(message) = PartialMessage::decode(data) else { return };
    let again = message.encode();
    assert_eq!(PartialMessage::decode(&again).as_ref(), Ok(&message));
    let definition = Arc::new(Config::defaults().definition);
    let now = Timestamp(1_800_000_000_000_000);
    let mut rollup = Rollup::new(definition, Partition(0), now);
    rollup.forget(&message.key());
    rollup.merge(Offset(1), message);
    rollup.tick(now);
});

//! Any bytes as an image are a shard or an error. The checksum is put right, so that the fuzzer
//! reaches what is behind it.
#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use tidemark::config::Config;
use tidemark::ledger::Ledger;
use tidemark::model::record::Partition;

fuzz_target!(|data: &[u8]| {
    let definition = Arc::new(Config::defaults().definition);
    let _ = Ledger::restore(definition.clone(), Partition(0), data);
    let mut image = b"TMIM\x01".to_vec();
    image.extend_from_slice(&crc32fast_of(data).to_le_bytes());
    image.extend_from_slice(data);
    let _ = Ledger::restore(definition, Partition(0), &image);
});

/// CRC-32 (IEEE), bit by bit: the fuzz crate needs no dependency for it.
fn crc32fast_of(data: &[u8]) -> u32 {
    !data.iter().fold(!0u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |c, _| {
            if c & 1 == 1 { (c >> 1) ^ 0xEDB8_8320 } else { c >> 1 }
        })
    })
}

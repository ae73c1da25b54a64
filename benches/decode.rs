//! What it costs to decode what each native system sends: all fixtures of the system, as its
//! webhooks would carry them, by the event that came of them. One thread, warm. `cargo bench
//! --bench decode` prints time an event; docs/performance.md has the figures with the machine.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use serde_json::Value;
use tidemark::config::{PACKS, load_mapping};
use tidemark::intake::{Decoder, Limits};
use tidemark::model::calendar::Calendar;
use tidemark::model::money::Currency;
use tidemark::model::record::{Header, Offset, Partition, Record};
use tidemark::model::source::{Reading, System};
use tidemark::model::time::Span;

fn decoder(system: System) -> Decoder {
    Decoder {
        source: "crm".to_owned(),
        system,
        reading: Reading { currency: Currency::parse("EUR"), ..Reading::default() },
        calendar: Calendar::of("Europe/Berlin").unwrap(),
        limits: Limits { max_record_bytes: 1 << 20, max_array: 1000, future_limit: Span::days(1) },
    }
}

/// A fixture as a record: no line breaks, and the headers of a captured request as headers.
fn record(text: &str) -> Record {
    let mut whole: Value = serde_json::from_str(text).unwrap();
    let captured = whole.get("headers").is_some() && whole.get("body").is_some();
    let headers: BTreeMap<String, String> = match captured {
        true => serde_json::from_value(whole["headers"].take()).unwrap(),
        false => BTreeMap::new(),
    };
    let body = if captured { &whole["body"] } else { &whole };
    Record {
        topic: "raw".into(),
        partition: Partition(0),
        offset: Offset(1),
        timestamp_ms: Some(1_772_442_000_000),
        key: None,
        value: Some(body.to_string().into_bytes()),
        headers: headers
            .iter()
            .map(|(k, v)| Header::new(format!("http.{k}"), v.as_str()))
            .collect(),
    }
}

/// A source that a shipped mapping reads.
fn mapped(pack: &str) -> Decoder {
    let mut decoder = decoder(System::Canonical);
    decoder.reading.mapping = Some(Arc::new(load_mapping(pack).unwrap()));
    decoder
}

fn records(name: &str) -> Vec<Record> {
    let dir = format!("{}/tests/fixtures/{name}", env!("CARGO_MANIFEST_DIR"));
    let Ok(files) = std::fs::read_dir(Path::new(&dir)) else { return Vec::new() };
    let mut files: Vec<_> = files.map(|f| f.unwrap().path()).collect();
    files.retain(|f| f.extension().is_some_and(|e| e == "json"));
    files.sort();
    files.iter().map(|file| record(&std::fs::read_to_string(file).unwrap())).collect()
}

fn decode(c: &mut Criterion) {
    let mut group = c.benchmark_group("decode");
    let natives = System::ALL.iter().map(|(s, n, _)| ((*n).to_owned(), records(n), decoder(*s)));
    let mapped = PACKS.iter().map(|(pack, _)| {
        (format!("mapping {pack}"), records(&format!("mappings/{pack}")), mapped(pack))
    });
    for (name, records, decoder) in natives.chain(mapped) {
        let events: usize = records.iter().map(|r| decoder.take(r, None).events.len()).sum();
        if events == 0 {
            continue;
        }
        let bytes: usize = records.iter().map(|r| r.value.as_ref().map_or(0, Vec::len)).sum();
        println!("{name}: {events} events of {} bytes each", bytes / events);
        group.throughput(Throughput::Elements(events as u64));
        group.bench_function(&name, |b| {
            b.iter(|| {
                for record in &records {
                    black_box(decoder.take(black_box(record), None));
                }
            });
        });
    }
    group.finish();
}

/// Bodies as large as systems really send them, where they lie beside the repository: it is not ours
/// to keep. By the byte, since that is what they cost.
fn bodies(c: &mut Criterion) {
    let base = std::env::var("TIDEMARK_SHARED").unwrap_or_else(|_| "../shared".into());
    let mut group = c.benchmark_group("bodies");
    for (system, file) in BODIES {
        let path = Path::new(&base).join("payloads").join(file);
        let Ok(text) = std::fs::read_to_string(&path) else {
            println!("skipped: {} is not there", path.display());
            continue;
        };
        // Most were captured in test mode, which would drop them.
        let text = text
            .replace("\"livemode\": false", "\"livemode\": true")
            .replace("\"x-shopify-test\": \"true\"", "\"x-shopify-test\": \"false\"")
            .replace("\"test\": true", "\"test\": false");
        let record = record(&text);
        let decoder = System::parse(system).map_or_else(|| mapped(system), decoder);
        let events = decoder.take(&record, None).events.len();
        let bytes = record.value.as_ref().map_or(0, Vec::len);
        println!("{file}: {events} events, {bytes} bytes");
        group.throughput(Throughput::Bytes(bytes as u64));
        group.bench_function(*file, |b| {
            b.iter(|| black_box(decoder.take(black_box(&record), None)))
        });
    }
    group.finish();
}

const BODIES: &[(&str, &str)] = &[
    ("stripe", "stripe/event_invoice.paid.json"),
    ("stripe", "stripe/event_customer.subscription.created.json"),
    ("stripe", "stripe/event_checkout.session.completed.json"),
    ("shopify", "shopify/orders.create.json"),
    ("shopify", "shopify/orders.updated.json"),
    ("pipedrive", "pipedrive/v1_updated.activity.json"),
    ("pipedrive", "pipedrive/v1_added.deal.json"),
    ("hubspot", "hubspot/workflow_webhook_deal_full_object.json"),
    ("dynamics", "dynamics365/CONSTRUCTED_opportunity_update_remoteexecutioncontext.json"),
];

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(50);
    targets = decode, bodies
}
criterion_main!(benches);

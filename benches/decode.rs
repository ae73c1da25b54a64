//! What it costs to decode what each native system sends: all fixtures of the system that tell of
//! an event, as its webhooks would carry them, by the event that came of them. One thread, warm. `cargo bench
//! --bench decode` prints time an event; docs/performance.md has the figures with the machine.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use serde_json::Value;
use serde_json::value::RawValue;
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
    Record { headers: carried(&headers), ..posted(&body.to_string()) }
}

fn carried(headers: &BTreeMap<String, String>) -> Vec<Header> {
    headers.iter().map(|(k, v)| Header::new(format!("http.{k}"), v.as_str())).collect()
}

/// A body as a record: a form as it is.
fn posted(body: &str) -> Record {
    Record {
        topic: "raw".into(),
        partition: Partition(0),
        offset: Offset(1),
        timestamp_ms: Some(1_772_442_000_000),
        key: None,
        value: Some(body.trim().as_bytes().to_vec()),
        headers: Vec::new(),
    }
}

/// A source that a shipped mapping reads.
fn mapped(pack: &str) -> Decoder {
    let mut decoder = decoder(System::Canonical);
    decoder.reading.mapping = Some(Arc::new(load_mapping(pack).unwrap()));
    decoder
}

/// The fixtures of a source, without what tells of no event: what is ignored, and what is bad.
fn records(name: &str, decoder: &Decoder) -> Vec<Record> {
    let dir = format!("{}/tests/fixtures/{name}", env!("CARGO_MANIFEST_DIR"));
    let Ok(files) = std::fs::read_dir(Path::new(&dir)) else { return Vec::new() };
    let mut files: Vec<_> = files.map(|f| f.unwrap().path()).collect();
    files.sort();
    let gives = |record: &Record| !decoder.take(record, None).events.is_empty();
    let read = |file: &std::path::PathBuf| {
        let text = std::fs::read_to_string(file).unwrap();
        match file.extension().and_then(|e| e.to_str()) {
            Some("json") => Some(record(&text)),
            Some("txt") => Some(posted(&text)),
            _ => None,
        }
    };
    let telling = |record: Record| match serde_json::from_slice(record.value.as_deref()?) {
        Ok(Value::Array(mut elements)) => {
            elements.retain(|element| {
                let headers = record.headers.clone();
                gives(&Record { headers, ..posted(&element.to_string()) })
            });
            let headers = record.headers;
            Some(Record { headers, ..posted(&Value::Array(elements).to_string()) })
        }
        _ => gives(&record).then_some(record),
    };
    files.iter().filter_map(read).filter_map(telling).collect()
}

fn decode(c: &mut Criterion) {
    let mut group = c.benchmark_group("decode");
    let natives = System::ALL.iter().map(|(s, n, _)| ((*n).to_owned(), *n, decoder(*s)));
    let mapped = PACKS.iter().map(|(pack, _)| (format!("mapping {pack}"), *pack, mapped(pack)));
    for (name, files, decoder) in natives.chain(mapped) {
        let of_pack = name.starts_with("mapping");
        let files = if of_pack { format!("mappings/{files}") } else { files.to_owned() };
        let records = records(&files, &decoder);
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

/// What HubSpot sends, as structs of serde would have it in their quickest form: texts with an
/// escape in them are not taken.
#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "what is parsed is only weighed")]
struct Change<'t> {
    subscription_type: &'t str,
    portal_id: Option<u64>,
    object_id: Option<u64>,
    occurred_at: Option<i64>,
    property_name: Option<&'t str>,
    #[serde(borrow)]
    property_value: Option<&'t RawValue>,
    change_source: Option<&'t str>,
    primary_object_id: Option<u64>,
    new_object_id: Option<u64>,
    merged_object_ids: Option<Vec<u64>>,
}

/// The same batch read by our decoder, up to events that were checked; by structs of serde, and as
/// `Value`, which only parse it.
fn readers(c: &mut Criterion) {
    let file = "tests/fixtures/hubspot/v3_deal_life.json";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    let record = record(&std::fs::read_to_string(path).unwrap());
    let text = std::str::from_utf8(record.value.as_deref().unwrap()).unwrap();
    let decoder = decoder(System::HubSpot);
    let mut group = c.benchmark_group("readers");
    let changes: Vec<Change<'_>> = serde_json::from_str(text).unwrap();
    group.throughput(Throughput::Elements(changes.len() as u64));
    println!("{file}: {} changes, {} bytes", changes.len(), text.len());
    group.bench_function("places, up to events", |b| {
        b.iter(|| black_box(decoder.take(black_box(&record), None)))
    });
    group.bench_function("serde structs, parsed alone", |b| {
        b.iter(|| black_box(serde_json::from_str::<Vec<Change<'_>>>(black_box(text)).unwrap()))
    });
    group.bench_function("serde_json::Value, parsed alone", |b| {
        b.iter(|| black_box(serde_json::from_str::<Value>(black_box(text)).unwrap()))
    });
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
    targets = decode, bodies, readers
}
criterion_main!(benches);

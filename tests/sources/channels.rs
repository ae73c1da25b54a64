//! By which channel the facts count that sources tell of, from the bytes to the cells.

use std::sync::Arc;

use tidemark::config::Config;
use tidemark::intake::Decoder;
use tidemark::ledger::Ledger;
use tidemark::model::channel::{ChannelRules, Origins};
use tidemark::model::event::{Field, FieldName, Value};
use tidemark::model::record::{Partition, Record};
use tidemark::model::source::System;

use crate::{decoder, mappings, now, record};

fn config(more: &str) -> Config {
    let text = format!(
        "[segments]\nsets = [\"channel\"]\n[[sources]]\nname = \"mine\"\ntopics = [\"t\"]\n{more}"
    );
    Config::from_toml(&text, "test", std::iter::empty()).unwrap_or_else(|e| panic!("{e}"))
}

/// The channels that something counts by, sorted.
fn counted(config: &Config, decoder: &Decoder, records: &[Record]) -> Vec<String> {
    let mut decoder = decoder.clone();
    decoder.reading.channels = config.definition.channels.clone();
    let mut ledger = Ledger::new(Arc::new(config.definition.clone()), Partition(0));
    for record in records {
        let taken = decoder.take(record, now());
        assert_eq!(taken.dead_letters, []);
        for event in &taken.events {
            ledger.apply(ledger.next(), event);
        }
    }
    let cells = ledger.publish().cells;
    let counts = cells.iter().filter(|cell| !cell.measures.is_zero());
    let mut out: Vec<String> = counts
        .map(|cell| cell.segment.to_string().trim_start_matches("channel=").to_owned())
        .collect();
    out.sort();
    out.dedup();
    out
}

/// HubSpot sends each property as an event of its own, and in no order: the channel that it states
/// stays, and without it the tags of the link tell one together.
#[test]
fn properties_of_hubspot_that_come_apart_tell_one_channel() {
    let fields = "system = \"hubspot\"\n\
        fields = { utm_medium = \"medium\", utm_source = \"source\", utm_campaign = \"campaign\" }\n";
    let config = config(fields);
    let mut hubspot = decoder(System::HubSpot);
    hubspot.reading = config.sources[0].reading.clone();
    let created = r#"{"subscriptionType":"deal.creation","objectId":1,"portalId":1,"occurredAt":1772442000000}"#;
    let change = |name: &str, value: &str, at: i64| {
        format!(
            r#"{{"subscriptionType":"deal.propertyChange","objectId":1,"portalId":1,"propertyName":"{name}","propertyValue":"{value}","occurredAt":{}}}"#,
            1_772_442_000_000 + at
        )
    };
    let stated = change("hs_analytics_source", "OFFLINE", 10);
    let tags = [
        change("utm_medium", "cpc", 30),
        change("utm_source", "linkedin", 20),
        change("utm_campaign", "eu", 900),
    ];
    let told = |bodies: &[&String]| {
        let created = created.to_owned();
        let mut all: Vec<&String> = bodies.to_vec();
        let mut out = Vec::new();
        // The creation at each place among them.
        for at in 0..=bodies.len() {
            all.insert(at, &created);
            let records: Vec<Record> = all.iter().map(|body| record(body)).collect();
            out.push(counted(&config, &hubspot, &records));
            all.remove(at);
        }
        out.dedup();
        assert_eq!(out.len(), 1, "{out:?}");
        out.remove(0)
    };
    let [medium, source, campaign] = &tags;
    for order in
        [[medium, source, campaign], [campaign, source, medium], [source, campaign, medium]]
    {
        assert_eq!(told(&order), ["Paid Social"]);
        let [a, b, c] = order;
        for order in [[&stated, a, b, c], [a, &stated, b, c], [a, b, c, &stated]] {
            assert_eq!(told(&order), ["Offline"]);
        }
    }
    assert_eq!(told(&[source, campaign]), ["unknown"]);
}

/// Systems have words of their own for channels: they come to the names of the usual grouping, so
/// that what two systems tell of one channel is one number. A rule renames them, and without the
/// grouping they stay as they are.
#[test]
fn the_words_of_systems_come_to_the_usual_channels() {
    let hubspot = |word: &str| {
        record(&format!(
            r#"[{{"subscriptionType":"deal.creation","objectId":1,"portalId":1,"occurredAt":1772442000000}},
            {{"subscriptionType":"deal.propertyChange","objectId":1,"portalId":1,
            "propertyName":"hs_analytics_source","propertyValue":"{word}","occurredAt":1772442000010}}]"#
        ))
    };
    let shopify = |word: &str| {
        record(&format!(
            r#"{{"headers":{{"X-Shopify-Topic":"orders/paid","X-Shopify-Event-Id":"e"}},
            "body":{{"id":1,"financial_status":"paid","total_price":"12.00","currency":"USD",
            "updated_at":"2026-03-02T10:00:01Z","created_at":"2026-03-02T10:00:00Z",
            "source_name":"{word}","landing_site":"/","referring_site":""}}}}"#
        ))
    };
    let plain = config("");
    let bare = config("[channels]\ndefault_grouping = false\n");
    let named = config(
        "[[channels.rule]]\nstated = \"offline\"\nchannel = \"Fairs\"\n\
         [[channels.rule]]\nstated = \"point of *\"\nchannel = \"Stores\"\n",
    );
    for (system, word, expected, renamed) in [
        (System::HubSpot, "ORGANIC_SEARCH", "Organic Search", "Organic Search"),
        (System::HubSpot, "PAID_SEARCH", "Paid Search", "Paid Search"),
        (System::HubSpot, "EMAIL_MARKETING", "Email", "Email"),
        (System::HubSpot, "SOCIAL_MEDIA", "Organic Social", "Organic Social"),
        (System::HubSpot, "PAID_SOCIAL", "Paid Social", "Paid Social"),
        (System::HubSpot, "REFERRALS", "Referral", "Referral"),
        (System::HubSpot, "DIRECT_TRAFFIC", "Direct", "Direct"),
        (System::HubSpot, "AI_REFERRALS", "AI Assistant", "AI Assistant"),
        (System::HubSpot, "OTHER_CAMPAIGNS", "Other Campaigns", "Other Campaigns"),
        (System::HubSpot, "OFFLINE", "Offline", "Fairs"),
        (System::HubSpot, "NEW_WORD", "NEW_WORD", "NEW_WORD"),
        (System::Shopify, "web", "Direct", "Direct"),
        (System::Shopify, "pos", "Point of Sale", "Stores"),
        (System::Shopify, "shopify_draft_order", "Draft Orders", "Draft Orders"),
        (System::Shopify, "580111", "580111", "580111"),
    ] {
        let body = if system == System::HubSpot { hubspot(word) } else { shopify(word) };
        let bodies = [body];
        let decoder = decoder(system);
        assert_eq!(counted(&plain, &decoder, &bodies), [expected], "{word}");
        assert_eq!(counted(&named, &decoder, &bodies), [renamed], "{word}");
        assert_eq!(counted(&bare, &decoder, &bodies), [word], "{word}");
    }
}

#[test]
fn own_rules_and_own_sites_hold_for_all_systems() {
    let own = config(
        "[channels]\nown_sites = [\"ours.example\"]\n\
         [[channels.rule]]\nsource = \"Trade Show*\"\nchannel = \"Events\"\n",
    );
    let plain = config("");
    let order = record(
        r#"{"headers":{"X-Shopify-Topic":"orders/paid","X-Shopify-Event-Id":"e",
        "X-Shopify-Triggered-At":"2026-03-02T09:00:00Z"},
        "body":{"id":1,"financial_status":"paid","total_price":"12.00","currency":"USD","source_name":"web",
        "referring_site":"https://www.ours.example/cart"}}"#,
    );
    let orders = [order];
    let shopify = decoder(System::Shopify);
    assert_eq!(counted(&own, &shopify, &orders), ["Direct"]);
    assert_eq!(counted(&plain, &shopify, &orders), ["Referral"]);
    let show = record(
        r#"{"id":"1","entity":{"type":"lead","id":"L"},"op":"create",
        "time":"2026-03-02T09:00:00Z","set":{"source":"Trade Show Berlin"}}"#,
    );
    let shows = [show];
    let canonical = decoder(System::Canonical);
    assert_eq!(counted(&own, &canonical, &shows), ["Events"]);
    assert_eq!(counted(&plain, &canonical, &shows), ["unknown"]);
}

#[test]
fn a_source_with_a_field_of_its_own_for_the_channel_takes_it_from_nowhere_else() {
    let call = record(
        r#"{"type":"track","event":"Order Completed","messageId":"m","timestamp":"2026-03-02T09:00:00Z",
        "properties":{"order_id":"1","total":3,"currency":"USD"},
        "context":{"campaign":{"name":"Theirs","medium":"email"}}}"#,
    );
    let calls = [call];
    for (fields, expected) in [("", "Email"), ("fields = { way = \"channel\" }\n", "unknown")] {
        let config = config(&format!("system = \"segment\"\n{fields}"));
        let mut segment = decoder(System::Segment);
        segment.reading = config.sources[0].reading.clone();
        assert_eq!(counted(&config, &segment, &calls), [expected]);
    }
}

/// What the shipped mappings say of where something came from is told by the rules, in the names of
/// the usual grouping: spend on a channel and what it brought stand side by side.
#[test]
fn the_shipped_mappings_leave_the_channel_to_the_rules() {
    for (pack, expected) in [
        ("ad_spend", &["Paid Search", "Paid Social"][..]),
        ("braze", &["Email", "Mobile Push Notifications"]),
        ("google_lead_form", &["Paid Search"]),
        ("klaviyo", &["Email", "Mobile Push Notifications", "SMS"]),
        // Numbers of its own tables: rules say which is which.
        ("odoo", &[]),
    ] {
        let decoder = mappings::mapped(pack);
        let mut told = Vec::new();
        for file in mappings::fixtures(pack) {
            let record = record(&std::fs::read_to_string(file).unwrap());
            for event in &decoder.take(&record, now()).events {
                let mut from = Origins::default();
                for (name, value) in &event.set {
                    let FieldName::Known(field) = name else { continue };
                    assert_ne!(*field, Field::Channel, "{pack}");
                    if let (Some(slot), Value::Text(text)) = (from.slot(*field), value) {
                        *slot = Origins::told(*field, text);
                    }
                }
                told.extend(ChannelRules::default().channel_of(from).map(str::to_owned));
            }
        }
        told.sort();
        told.dedup();
        assert_eq!(told, expected, "{pack}");
    }
    let odoo = config("[[channels.rule]]\nmedium = \"5\"\nchannel = \"Email\"\n");
    let lead = record(
        r#"{"_action":"a","_id":7,"_model":"crm.lead","type":"lead","user_id":2,"medium_id":5,
        "create_date":"2026-03-02 08:00:00","write_date":"2026-03-02 08:00:00"}"#,
    );
    assert_eq!(counted(&odoo, &mappings::mapped("odoo"), &[lead]), ["Email"]);
}

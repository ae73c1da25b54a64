//! What real systems really sent, where it lies beside the repository: it is not ours to keep.

use std::path::PathBuf;

use serde_json::{Value, json};
use tidemark::intake::{Ignored, Intake, encode_event};
use tidemark::model::event::{EntityRef, Event, FieldName};
use tidemark::model::source::{System, Wrapping};

use crate::{decoder, files, mappings, natives, now, record};

/// Real payloads that are no delivery of the system, each with what it is.
const NO_DELIVERIES: &[(&str, &str)] = &[
    (
        "track_email_link_clicked.json",
        "an excerpt of the documentation, without messageId and time",
    ),
    ("track_email_opened.json", "an excerpt of the documentation, without messageId and time"),
    ("resource_charge.json", "a resource of the API"),
    ("resource_checkout_session.json", "a resource of the API"),
    ("resource_customer.json", "a resource of the API"),
    ("resource_dispute.json", "a resource of the API"),
    ("resource_invoice.json", "a resource of the API"),
    ("resource_payment_intent.json", "a resource of the API"),
    ("resource_refund.json", "a resource of the API"),
    ("resource_subscription.json", "a resource of the API"),
];

fn payloads() -> Option<PathBuf> {
    let base = std::env::var("TIDEMARK_SHARED").unwrap_or_else(|_| "../shared".into());
    let dir = PathBuf::from(base).join("payloads");
    if dir.is_dir() {
        return Some(dir);
    }
    println!("skipped: {} is not there", dir.display());
    None
}

/// Where the payloads of a system lie.
fn directories(system: System) -> &'static [&'static str] {
    match system {
        System::Canonical => &[],
        System::HubSpot => &["hubspot"],
        System::Salesforce => &["salesforce_cdc", "confluent_salesforce"],
        System::Pipedrive => &["pipedrive"],
        System::Close => &["close"],
        System::Stripe => &["stripe"],
        System::Segment | System::RudderStack => &["segment"],
        System::Shopify => &["shopify"],
        System::Calendly => &["calendly"],
        System::Typeform => &["typeform"],
        System::Twilio => &["twilio"],
        // Nothing of these lies there that was really delivered.
        System::SendGrid | System::CustomerIo | System::Aircall | System::Survey => &[],
    }
}

/// Where the payloads of a shipped mapping lie, and what the first event of the first one is.
const MAPPED: &[(&str, &str, &str)] = &[
    (
        "copper",
        "copper",
        r#"{"entity":{"type":"deal","id":"123456"},"op":"update","set":{"amount":{"value":"50000","currency":"EUR"},"status":"won"}}"#,
    ),
    (
        "zoho",
        "zoho_crm",
        r#"{"entity":{"type":"deal","id":"554023000000527002"},"op":"update","set":{"stage":"Closed Won"}}"#,
    ),
    (
        "dynamics",
        "dynamics365",
        r#"{"entity":{"type":"deal","id":"o0"},"op":"update","set":{"amount":{"value":"50000","currency":"EUR"},"stage":"4-Close"}}"#,
    ),
    (
        "twenty",
        "twenty",
        r#"{"entity":{"type":"deal","id":"o1"},"op":"update","set":{"amount":{"value":"50000","currency":"EUR"},"expected_close":"2026-03-30T22:00:00Z","name":"Acme","owner":"u1","stage":"CUSTOMER"}}"#,
    ),
    (
        "odoo",
        "odoo",
        r#"{"entity":{"type":"deal","id":"42"},"op":"update","set":{"amount":{"value":"50000","currency":"EUR"},"name":"Acme","owner":"7","probability":1,"stage":"4","status":"won"}}"#,
    ),
    (
        "google_lead_form",
        "google_ads",
        r#"{"entity":{"type":"lead","id":"TeSter-123"},"op":"create","set":{"campaign":"123456789","medium":"cpc","source":"google","x.ad_group":"20000000000","x.form":"40000000000"}}"#,
    ),
];

#[test]
fn what_lies_there_of_a_shipped_mapping_is_read_whole() {
    let Some(payloads) = payloads() else { return };
    for (pack, dir, expected) in MAPPED {
        let all = files(&payloads.join(dir));
        assert!(!all.is_empty(), "no payload of {pack}");
        for file in &all {
            let text = std::fs::read_to_string(file).unwrap();
            let mut record = record(&text.replace("\"is_test\": true", "\"is_test\": false"));
            record.timestamp_ms = Some(1_772_442_000_000);
            let taken = mappings::mapped(pack).take(&record, now());
            assert_eq!(taken.dead_letters, [], "{}", file.display());
            assert!(taken.events.len() + taken.ignored.len() > 0, "{}", file.display());
            if file == &all[0] {
                let event: Value = serde_json::from_slice(&encode_event(&taken.events[0])).unwrap();
                let told =
                    json!({"entity": event["entity"], "op": event["op"], "set": event["set"]});
                assert_eq!(told, serde_json::from_str::<Value>(expected).unwrap(), "{pack}");
            }
        }
    }
}

/// What of each payload of a native system: entity, operation and the fields that are stated, sorted.
#[rustfmt::skip]
const NATIVE: &[(&str, &[&str])] = &[
    ("CONSTRUCTED_journal_file.json", &["deal 7036839888 update: stage"]),
    ("CONSTRUCTED_v3_batch_deal_lifecycle.json", &["deal 7036839888 update: owner", "deal 7036839888 create:", "deal 7036839888 update: amount", "deal 7036839888 update: stage", "deal 7036839888 update: stage"]),
    ("CONSTRUCTED_v3_batch_generic_object.json", &["deal 7036839888 update: stage"]),
    ("signature_v1_vector_body.json", &["lead 123 create:"]),
    ("workflow_webhook_deal_full_object.json", &["deal 7036839888 snapshot: amount amount_home created_at expected_close name owner pipeline stage status", "deal 7036839888 snapshot: probability"]),
    ("CONSTRUCTED_opportunity_create_cometd.json", &["deal 0065g00000XyZ12AAF create: account amount created_at expected_close name owner probability source stage"]),
    ("CONSTRUCTED_opportunity_gap_update.json", &["deal 0065g00000XyZ12AAF update:"]),
    ("CONSTRUCTED_opportunity_update_confluent_flat.json", &["deal 0065g00000XyZ12AAF update: stage"]),
    ("CONSTRUCTED_opportunity_update_merged_two_records.json", &["deal 0065g00000XyZ12AAF update: owner", "deal 0065g00000XyZ13AAF update: owner"]),
    ("CONSTRUCTED_opportunity_update_won_enriched.json", &["deal 0065g00000XyZ12AAF update: owner probability stage"]),
    ("pushtopic_lead_connect_json_schema_payload.json", &["lead 00Q7R00001lsWLiUAM create: account contact converted_deal created_at owner source status"]),
    ("v1_added.activity.json", &["activity 2 create: created_at deal done done_at kind lead owner planned_at"]),
    ("v1_added.deal.json", &["deal 1 create: account amount contact created_at expected_close lost_reason name owner pipeline probability stage status"]),
    ("v1_added.person.json", &["ignored entity_not_read: person"]),
    ("v1_updated.activity.json", &["activity 1 update: created_at deal done done_at kind lead owner planned_at"]),
    ("tdev_call_activity_created.json", &["activity acti_c1SHn4Wq7VtRj2AmY8bKzX create: created_at direction done duration_s kind lead owner"]),
    ("tdev_lead_created.json", &["lead lead_9k2R7wYtVbXmS3Ac6Fq1Zp create: created_at status"]),
    ("tdev_note_activity_created.json", &["activity acti_Wq7VtRj2AmY8bKzXc1SHn4 create: created_at done kind lead owner"]),
    ("tdev_opportunity_updated_won.json", &["deal oppo_7H4sjNso7FyBFaeR3RXi5PMJbilfo0c6UPCxsJtEhCO update: account amount contact created_at owner probability stage status type"]),
    ("event_checkout.session.completed.json", &["ignored type_not_read: checkout.session.completed"]),
    ("event_customer.created.json", &["lead cus_NSPHp4fOlXGw8P create:"]),
    ("event_customer.subscription.created.json", &["subscription sub_1MhUZrE0b6fckueSZfQ2Ytz6 create: created_at customer ended_at mrr plan reason started_at status"]),
    ("event_invoice.created.json", &["invoice in_1MhUT5E0b6fckueSfPlY05Fw create: amount created_at customer paid_at status"]),
    ("event_invoice.paid.json", &["invoice in_1MhUT5E0b6fckueSfPlY05Fw update: amount created_at customer paid_at status"]),
    ("resource_event.json", &["ignored type_not_read: plan.created"]),
    ("identify.json", &["ignored field_not_read: no trait of it is read"]),
    ("track.json", &["ignored type_not_read: Course Clicked"]),
    ("common_fields.json", &["ignored type_not_read: Report Submitted"]),
    ("customers.create.json", &["lead 706405506930370084 create: created_at"]),
    ("draft_orders.create.json", &["ignored type_not_read: draft_orders/create"]),
    ("orders.cancelled.json", &["order 820982911946154508 update: amount channel created_at customer discount owner refunded status"]),
    ("orders.create.json", &["order 820982911946154508 create: amount channel created_at customer discount owner refunded status"]),
    ("orders.paid.json", &["order 820982911946154508 update: amount channel created_at customer discount owner refunded status"]),
    ("orders.updated.json", &["order 820982911946154508 update: amount channel created_at customer discount owner refunded status"]),
    ("subscription_billing_attempts.success.json", &["ignored type_not_read: subscription_billing_attempts/success"]),
    ("subscription_contracts.create.json", &["subscription 2130602109 create: customer status"]),
    ("tdev_invitee_canceled_host_rescheduled_the_meeting.json", &["activity 3c6f9a2d-5e8b-4a1c-9d3f-6a9c2e5b8d1f update: done kind outcome"]),
    ("tdev_invitee_canceled_self_canceled_with_reason.json", &["activity 1a4d7e2b-5c8f-4a1d-9b3e-6f0c8d2a5b7e update: done kind outcome"]),
    ("tdev_invitee_created_group_event_via_campaign_link.json", &["activity 6d9c2a5e-7f1b-4a3d-9e6c-2b5f8a1d4c7e create: campaign kind medium source"]),
    ("tdev_invitee_created_one_on_one.json", &["activity 1a4d7e2b-5c8f-4a1d-9b3e-6f0c8d2a5b7e create: kind"]),
    ("tdev_contact_form_submission.json", &["touch 6f3e8a1c9d2b47a0b6e5f1a2c3d4e5f6 create: kind source"]),
    ("tdev_customer_satisfaction_survey.json", &["touch 9a8b7c6d5e4f3a2b1c0d9e8f7a6b5c4d create: contact kind", "survey_response 9a8b7c6d5e4f3a2b1c0d9e8f7a6b5c4d/Q7M2XAwY04d1 create: contact metric scale_max score"]),
    ("tdev_event_registration.json", &["touch 5e6f7a8b9c0d1e2f3a4b5c6d7e8f9a0b create: kind"]),
    ("tdev_job_application.json", &["touch 1a2b3c4d5e6f7a8b9c0d1e2f3a4b5c6d create: kind"]),
    ("tdev_product_waitlist_signup.json", &["touch 3c4d5e6f7a8b9c0d1e2f3a4b5c6d7e8f create: campaign kind source"]),
    ("tdev_call_status_callback_completed.json", &["activity CA3f9e8d7c6b5a4938271605f4e3d2c1b0a update: direction done duration_s kind outcome"]),
    ("tdev_call_status_callback_no_answer.json", &["activity CA7c6b5a4938271605f4e3d2c1b0a9f8e7d update: direction done kind outcome"]),
    ("tdev_incoming_call.json", &["ignored says_nothing_alone: ringing, without a time"]),
];

fn told(taken: &Intake<'_>) -> Vec<String> {
    let event = |event: &Event<'_>| {
        let named = |name: &FieldName<'_>| match name {
            FieldName::Known(field) => field.as_str().to_owned(),
            FieldName::Custom(own) => format!("x.{own}"),
        };
        let mut fields: Vec<_> = event.set.iter().map(|(name, _)| named(name)).collect();
        fields.sort();
        let EntityRef { kind, id } = &event.entity;
        let (kind, op) = (kind.as_str(), event.op.as_str());
        format!("{kind} {id} {op}: {}", fields.join(" ")).trim_end().to_owned()
    };
    let ignored = |it: &Ignored| format!("ignored {}: {}", it.reason.as_str(), it.what);
    taken.events.iter().map(event).chain(taken.ignored.iter().map(ignored)).collect()
}

#[test]
fn what_real_systems_sent_is_read_whole() {
    let Some(payloads) = payloads() else { return };
    for system in natives() {
        let mut read = 0;
        for dir in directories(system) {
            for file in files(&payloads.join(dir)) {
                let name = file.file_name().unwrap().to_str().unwrap();
                if NO_DELIVERIES.iter().any(|(other, _)| *other == name) {
                    continue;
                }
                // Most were captured in test mode, which would drop them.
                let text = std::fs::read_to_string(&file).unwrap();
                let text = text
                    .replace("\"livemode\": false", "\"livemode\": true")
                    .replace("\"x-shopify-test\": \"true\"", "\"x-shopify-test\": \"false\"")
                    .replace("\"test\": true", "\"test\": false");
                let record = record(&text);
                let taken = decoder(system).take(&record, now());
                assert_eq!(taken.dead_letters, [], "{name}");
                let any = taken.events.len() + taken.ignored.len();
                assert!(any > 0 && taken.test == 0, "{name}");
                let expected = NATIVE.iter().find(|(file, _)| *file == name);
                let (_, expected) = expected.unwrap_or_else(|| panic!("nothing is said of {name}"));
                assert_eq!(told(&taken), *expected, "{name}");
                for event in &taken.events {
                    assert_eq!(event.system, system.as_str(), "{name}");
                    assert!(event.order[0] >= 1_000_000_000_000, "{name}: {:?}", event.order);
                }
                read += 1;
            }
        }
        assert!(read > 0 || directories(system).is_empty(), "no payload of {}", system.as_str());
    }
}

/// Of Aircall a third party kept what stands in `data`, with times as text.
#[test]
fn what_was_kept_of_a_call_of_aircall_is_read() {
    let Some(payloads) = payloads() else { return };
    let file = payloads.join("aircall/call_ended_data_activepieces.json");
    let data = std::fs::read_to_string(file).unwrap();
    let body = format!(
        r#"{{"resource":"call","event":"call.ended","timestamp":1690799700,"token":"t","data":{data}}}"#
    );
    let record = record(&body);
    let taken = decoder(System::Aircall).take(&record, now());
    let fields = "contact created_at direction done done_at duration_s kind outcome owner";
    assert_eq!(told(&taken), [format!("activity 12345 create: {fields}")]);
}

/// What lies there of envelopes, each with what becomes of it: none of them holds what is read here,
/// so that it is taken off is told by what is found inside. Those that the documentation cut are no
/// JSON, and are left out.
#[test]
fn what_real_carriers_wrapped_is_taken_off() {
    let Some(payloads) = payloads() else { return };
    let mut read = 0;
    for dir in
        ["cloudevents", "debezium", "kafka_envelopes", "standard_webhooks", "confluent_salesforce"]
    {
        let all = std::fs::read_dir(payloads.join(dir)).unwrap();
        for file in all.map(|entry| entry.unwrap().path()) {
            let text = std::fs::read_to_string(&file).unwrap();
            let name = format!("{dir}/{}", file.file_name().unwrap().to_str().unwrap());
            if serde_json::from_str::<serde_json::Value>(&text).is_err() {
                println!("left out: {name} is no JSON: the documentation cut it");
                continue;
            }
            read += 1;
            let record = record(&text);
            let taken = decoder(System::Canonical).take(&record, now());
            let codes: Vec<_> = taken.dead_letters.iter().map(|d| d.reason.code.as_str()).collect();
            let expected: &[&str] = match dir {
                // Data of no entity, that is no JSON, or no object.
                "cloudevents" => {
                    &["BAD_CLOUDEVENT", "MISSING_ENTITY", "NOT_AN_EVENT", "DECODE_JSON"]
                }
                // Avro in base64 in a CloudEvent is not read.
                "debezium" if text.contains("application/avro") => &["NOT_AN_EVENT"],
                // Rows of customers, and of other things: no entity, or no id.
                _ => &["MISSING_FIELD", "MISSING_ENTITY", "DECODE_JSON"],
            };
            assert_eq!(taken.events.len(), 0, "{name}");
            assert!(
                !codes.is_empty() && codes.iter().all(|c| expected.contains(c)),
                "{name} {codes:?}"
            );
            // Pinned to what it is, it is found to be that.
            let pin = match dir {
                "cloudevents" => Wrapping::CloudEvents,
                "debezium" => Wrapping::Debezium,
                "standard_webhooks" => Wrapping::Raw,
                _ => Wrapping::Connect,
            };
            let mut pinned = decoder(System::Canonical);
            pinned.reading.wrapping = pin;
            let taken = pinned.take(&record, now());
            let found = taken.dead_letters.iter().all(|d| d.reason.code.as_str() != "BAD_ENVELOPE");
            let cloud_avro = text.contains("application/avro");
            assert!(found || cloud_avro, "{name} {:?}", taken.dead_letters);
        }
    }
    assert!(read >= 12, "{read}");
}

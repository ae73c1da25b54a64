//! What single vendors do that no other does.

use tidemark::model::event::{EventKind, Field};
use tidemark::model::source::System;
use tidemark::model::time::Timestamp;

use crate::edges::{codes, events, get};
use crate::{decoder, now, record};

#[test]
fn what_names_its_status_or_its_time_otherwise_is_read() {
    let close = r#"{"event":{"id":"ev_1","date_updated":"2026-03-02T15:02:11","object_type":"lead",
        "object_id":"lead_1","action":"updated","changed_fields":["status_id"],
        "data":{"id":"lead_1","status_id":"stat_9","status_label":"Potential"}}}"#;
    let event = events(&decoder(System::Close), close).remove(0);
    assert_eq!(get(&event, Field::Status), "Potential");
    // An ended call without a time was over when its callback came.
    let call = r#"{"CallSid":"CA1","CallStatus":"completed","CallDuration":"7"}"#;
    let mut record = record(call);
    assert_eq!(codes(&decoder(System::Twilio), call), ["MISSING_FIELD"]);
    record.timestamp_ms = Some(1_772_442_000_000);
    let taken = decoder(System::Twilio).take(&record, now());
    assert_eq!(taken.events[0].time, Timestamp(1_772_442_000_000_000));
}

#[test]
fn a_change_of_all_records_of_salesforce_is_a_gap_whatever_it_is_called() {
    for (entity, kind) in
        [("Opportunity", "UPDATE"), ("CampaignMember", "UPDATE"), ("Lead", "GAP_OVERFLOW")]
    {
        let body = format!(
            r#"{{"payload":{{"ChangeEventHeader":{{"entityName":"{entity}","recordIds":["006*"],
            "transactionKey":"t","sequenceNumber":1,"changeType":"{kind}","commitNumber":7,
            "commitTimestamp":1772615003123,"changedFields":["Unread__c"]}}}}}}"#
        );
        let event = events(&decoder(System::Salesforce), &body).remove(0);
        assert_eq!((event.kind, &*event.entity.id), (EventKind::Gap, "006*"), "{entity} {kind}");
    }
}

#[test]
fn a_credit_note_of_stripe_tells_what_was_refunded_where_charges_do_not() {
    let body = r#"{"id":"evt_1","object":"event","created":1772442000,"livemode":true,
        "type":"invoice.updated","data":{"object":{"id":"in_1",CHARGE"currency":"eur","total":9000,
        "post_payment_credit_notes_amount":NOW},"previous_attributes":{"PREVIOUS":2000}}}"#;
    let noted = "post_payment_credit_notes_amount";
    for (charge, now, previous, told) in [
        ("", "2500", noted, "25 EUR"),
        ("", "0", noted, "0 EUR"),
        ("", "2500", "total", ""),
        (r#""charge":"ch_1","#, "2500", noted, ""),
    ] {
        let body = body.replace("CHARGE", charge).replace("NOW", now).replace("PREVIOUS", previous);
        let event = events(&decoder(System::Stripe), &body).remove(0);
        assert_eq!(get(&event, Field::Refunded), told, "{body}");
    }
}

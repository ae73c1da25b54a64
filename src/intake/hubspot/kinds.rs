//! The kinds of HubSpot's objects that are read, and their properties.

use std::borrow::Cow;

use crate::model::event::{EntityKind, Field};

/// A kind of object that is read.
pub struct Kind {
    /// Name in `subscriptionType`; upper case in `objectType`.
    pub name: &'static str,
    /// `objectTypeId`.
    type_id: &'static str,
    /// What it becomes.
    pub entity: EntityKind,
    /// The kind of an activity.
    pub activity: Option<&'static str>,
    /// Its properties.
    pub fields: &'static [(&'static str, Field)],
    /// Which two of them say together what it is worth.
    pub priced: Option<Priced>,
    /// Stands before its id where another kind becomes the same entity: each has ids of its own.
    prefix: &'static str,
}

/// The properties of an amount.
pub struct Priced {
    /// The digits.
    pub amount: &'static str,
    /// The code of the currency.
    pub currency: &'static str,
}

impl Kind {
    /// The id of the entity that an object of this id is.
    pub fn id<'a>(&self, object: Cow<'a, str>) -> Cow<'a, str> {
        match self.prefix {
            "" => object,
            prefix => Cow::Owned(format!("{prefix}{object}")),
        }
    }

    /// Whether the property is part of what an object is worth.
    pub fn prices(&self, name: &str) -> bool {
        self.priced.as_ref().is_some_and(|priced| [priced.amount, priced.currency].contains(&name))
    }

    /// Whether the property is the code of its currency.
    pub fn is_currency(&self, name: &str) -> bool {
        self.priced.as_ref().is_some_and(|priced| priced.currency == name)
    }
}

/// Whether the property is an amount that HubSpot converted to the currency of the company:
/// `amount_in_home_currency`, `hs_amount_billed_in_company_currency`, `hs_homecurrency_amount`,
/// `hs_initial_amount_in_portal_currency`.
pub fn is_converted(name: &str) -> bool {
    ["_in_home_currency", "_in_company_currency", "_in_portal_currency"]
        .iter()
        .any(|end| name.ends_with(end))
        || name.starts_with("hs_homecurrency_")
}

const DEAL: &[(&str, Field)] = &[
    ("dealname", Field::Name),
    ("pipeline", Field::Pipeline),
    ("dealstage", Field::Stage),
    ("amount", Field::Amount),
    ("amount_in_home_currency", Field::AmountHome),
    ("hubspot_owner_id", Field::Owner),
    ("hubspot_team_id", Field::Team),
    ("hs_analytics_source", Field::Channel),
    ("hs_campaign", Field::Campaign),
    ("dealtype", Field::Type),
    ("createdate", Field::CreatedAt),
    // Planned until the deal is closed, and editable for ever: no one closed it then.
    ("closedate", Field::ExpectedClose),
    ("hs_deal_stage_probability", Field::Probability),
    ("closed_lost_reason", Field::LostReason),
];

const CONTACT: &[(&str, Field)] = &[
    ("lifecyclestage", Field::Stage),
    ("hs_lead_status", Field::Status),
    ("hubspot_owner_id", Field::Owner),
    ("hubspot_team_id", Field::Team),
    ("hs_analytics_source", Field::Channel),
    ("hs_analytics_first_touch_converting_campaign", Field::Campaign),
    ("associatedcompanyid", Field::Account),
    // By whichever rep; `hs_sa_first_engagement_date` begins anew with each owner.
    ("hs_first_outreach_date", Field::RespondedAt),
    ("createdate", Field::CreatedAt),
];

const ACTIVITY: &[(&str, Field)] = &[
    ("hubspot_owner_id", Field::Owner),
    ("hs_createdate", Field::CreatedAt),
    ("hs_call_direction", Field::Direction),
    ("hs_email_direction", Field::Direction),
    ("hs_call_disposition", Field::Outcome),
    ("hs_meeting_outcome", Field::Outcome),
    ("hs_task_status", Field::Outcome),
    ("hs_email_status", Field::Outcome),
    ("hs_call_duration", Field::Duration),
    ("hs_timestamp", Field::PlannedAt),
    ("hs_meeting_start_time", Field::PlannedAt),
    ("hs_task_completion_date", Field::DoneAt),
];

/// HubSpot's own words for the channel, in those of the usual grouping
/// (<https://knowledge.hubspot.com/properties/understand-source-properties>). The last two have none
/// there.
pub const SOURCES: [(&str, &str); 10] = [
    ("ORGANIC_SEARCH", "Organic Search"),
    ("PAID_SEARCH", "Paid Search"),
    ("EMAIL_MARKETING", "Email"),
    ("SOCIAL_MEDIA", "Organic Social"),
    ("PAID_SOCIAL", "Paid Social"),
    ("REFERRALS", "Referral"),
    ("DIRECT_TRAFFIC", "Direct"),
    ("AI_REFERRALS", "AI Assistant"),
    ("OTHER_CAMPAIGNS", "Other Campaigns"),
    ("OFFLINE", "Offline"),
];

const FEEDBACK: &[(&str, Field)] = &[
    ("hs_survey_type", Field::Metric),
    ("hs_value", Field::Score),
    ("hs_contact_id", Field::Contact),
    ("hubspot_owner_id", Field::Owner),
    ("hs_submission_timestamp", Field::CreatedAt),
];

/// <https://developers.hubspot.com/docs/api/commerce/invoices>
const INVOICE: &[(&str, Field)] = &[
    ("hs_amount_billed", Field::Amount),
    // draft, open, paid or voided.
    ("hs_invoice_status", Field::Status),
    ("hs_payment_date", Field::PaidAt),
    ("hubspot_owner_id", Field::Owner),
    ("hs_createdate", Field::CreatedAt),
];

/// <https://developers.hubspot.com/docs/api/commerce/orders>. None of them says when it was paid.
const ORDER: &[(&str, Field)] = &[
    ("hs_total_price", Field::Amount),
    ("hs_refund_amount", Field::Refunded),
    ("hs_external_order_status", Field::Status),
    ("hubspot_owner_id", Field::Owner),
    ("hs_createdate", Field::CreatedAt),
];

/// The property of a payment that says how far it is.
pub const PAYMENT_STATUS: &str = "hs_latest_status";

/// <https://developers.hubspot.com/docs/api-reference/latest/crm/objects/commerce-payments/guide>.
/// `hs_initiated_date` is when a payment was begun, whether or not anything came of it.
const PAYMENT: &[(&str, Field)] = &[
    ("hs_initial_amount", Field::Amount),
    ("hs_refunds_amount", Field::Refunded),
    (PAYMENT_STATUS, Field::Status),
    ("hubspot_owner_id", Field::Owner),
    ("hs_createdate", Field::CreatedAt),
];

/// What the status of a payment says of whether it was paid. What comes after a payment that
/// succeeded, refunds and disputes, says nothing of it.
pub fn paid(status: &str) -> Option<bool> {
    match status {
        "succeeded" => Some(true),
        "processing" | "failed" => Some(false),
        _ => None,
    }
}

const KINDS: [Kind; 11] = [
    Kind {
        priced: Some(Priced { amount: "amount", currency: "deal_currency_code" }),
        ..kind("deal", "0-3", EntityKind::Deal, None, DEAL)
    },
    Kind {
        priced: Some(Priced { amount: "hs_amount_billed", currency: "hs_currency" }),
        ..kind("invoice", "0-53", EntityKind::Invoice, None, INVOICE)
    },
    Kind {
        priced: Some(Priced { amount: "hs_total_price", currency: "hs_currency_code" }),
        ..kind("order", "0-123", EntityKind::Order, None, ORDER)
    },
    Kind {
        priced: Some(Priced { amount: "hs_initial_amount", currency: "hs_currency_code" }),
        prefix: "payment:",
        ..kind("commerce_payment", "0-101", EntityKind::Order, None, PAYMENT)
    },
    kind("contact", "0-1", EntityKind::Lead, None, CONTACT),
    kind("call", "0-48", EntityKind::Activity, Some("call"), ACTIVITY),
    kind("email", "0-49", EntityKind::Activity, Some("email"), ACTIVITY),
    kind("meeting", "0-47", EntityKind::Activity, Some("meeting"), ACTIVITY),
    kind("note", "0-46", EntityKind::Activity, Some("note"), ACTIVITY),
    kind("task", "0-27", EntityKind::Activity, Some("task"), ACTIVITY),
    kind("feedback_submission", "0-19", EntityKind::SurveyResponse, None, FEEDBACK),
];

const fn kind(
    name: &'static str,
    type_id: &'static str,
    entity: EntityKind,
    activity: Option<&'static str>,
    fields: &'static [(&'static str, Field)],
) -> Kind {
    Kind { name, type_id, entity, activity, fields, priced: None, prefix: "" }
}

/// The kind of this name, or of this id where one is told.
pub fn kind_of(name: &str, type_id: Option<&str>) -> Option<&'static Kind> {
    KINDS.iter().find(|k| match type_id {
        Some(id) => k.type_id == id,
        None => k.name.eq_ignore_ascii_case(name),
    })
}

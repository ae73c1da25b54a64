//! What a configured source is: which decoder reads it, and what it leaves to the configuration.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::channel::ChannelRules;
use super::event::FieldName;
use super::mapping::Mapping;
use super::money::Currency;

macro_rules! names {
    ($(#[$doc:meta])* $name:ident {
        $($(#[$attribute:meta])* $variant:ident $text:literal $meaning:literal),* $(,)?
    }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum $name { $(#[doc = $meaning] $(#[$attribute])* $variant),* }

        impl $name {
            /// All of them: name and meaning. The names are stable.
            pub const ALL: &'static [($name, &'static str, &'static str)] =
                &[$(($name::$variant, $text, $meaning)),*];

            /// The stable name.
            pub fn as_str(self) -> &'static str {
                Self::ALL[self as usize].1
            }

            /// From the stable name.
            pub fn parse(text: &str) -> Option<$name> {
                Self::ALL.iter().find(|(_, name, _)| *name == text).map(|(value, ..)| *value)
            }
        }
    };
}

names! {
    /// Which decoder reads a source. A decoder tells the shapes and versions of its system apart
    /// by the body alone.
    System {
        Canonical "canonical" "Canonical events, alone, in arrays, or in CloudEvents.",
        HubSpot "hubspot" "HubSpot: webhooks v3, the workflow webhook, files of the webhooks journal.",
        Salesforce "salesforce" "Salesforce: Change Data Capture as CometD, Confluent or Redpanda Connect write it; PushTopics.",
        Pipedrive "pipedrive" "Pipedrive: webhooks of version 1 and 2.",
        Close "close" "Close: webhooks.",
        Stripe "stripe" "Stripe: snapshot events of its webhooks.",
        Segment "segment" "Segment: track, identify, page, screen and alias calls, and batches of them.",
        RudderStack "rudderstack" "RudderStack: the same calls.",
        Shopify "shopify" "Shopify: webhooks of orders, customers and subscription contracts.",
        SendGrid "sendgrid" "SendGrid: the event webhook.",
        CustomerIo "customerio" "Customer.io: reporting webhooks.",
        Calendly "calendly" "Calendly: webhooks of invitees.",
        Typeform "typeform" "Typeform: responses.",
        Survey "survey" "Surveys whose responses have scores: SatisMeter, Refiner, Wootric.",
        Twilio "twilio" "Twilio: status callbacks of calls.",
        Aircall "aircall" "Aircall: webhooks of calls.",
    }
}

names! {
    /// Why a record, or an element of one, is well-formed and yet told of nothing that is read.
    /// Codes are stable: they label metrics.
    Unread {
        EntityNotRead "entity_not_read" "It is about a kind of thing that no canonical entity stands for.",
        TypeNotRead "type_not_read" "It is of a type of event that is not read.",
        FieldNotRead "field_not_read" "It changes only fields that are not read.",
        SaysNothingAlone "says_nothing_alone" "It has a meaning only beside a field that this event does not have.",
        Machine "machine" "A machine did it, such as a mail provider that opens all mail.",
        RowGone "row_gone" "A change feed says that a row is gone: its deletion, or the empty record behind it.",
        NotARow "not_a_row" "A change feed tells of itself: a transaction, a heartbeat, a table that was emptied.",
    }
}

names! {
    /// What is wrapped around the elements of a source. All but `Auto` pin it: nothing else is tried.
    #[derive(Default)]
    Wrapping {
        #[default]
        Auto "auto" "Whatever is recognized.",
        Raw "raw" "Nothing: the record is the element.",
        CloudEvents "cloudevents" "CloudEvents 1.0: structured, batch, or binary by headers.",
        Debezium "debezium" "Change events of Debezium.",
        Connect "connect" "Kafka Connect's JSON with schema: `schema` and `payload`.",
        StandardWebhooks "standard_webhooks" "Standard Webhooks: an id in the headers.",
        Confluent "confluent" "The wire format of Confluent's serializers, around Avro or JSON.",
    }
}

/// What a source leaves open and the configuration says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// Tenant of its events; `default` where absent.
    pub tenant: Option<String>,
    /// Currency of amounts that come without one.
    pub currency: Option<Currency>,
    /// What is wrapped around its elements.
    pub wrapping: Wrapping,
    /// The source's own fields, by their names there. Each takes the place of what fills the same
    /// canonical field otherwise.
    pub fields: BTreeMap<String, FieldName<'static>>,
    /// What reads its records, where no decoder does.
    pub mapping: Option<Arc<Mapping>>,
    /// How channels are told: of these, a decoder asks which sites are the company's own.
    pub channels: Arc<ChannelRules>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_in_step_with_their_enums() {
        for (i, (system, name, _)) in System::ALL.iter().enumerate() {
            assert_eq!((*system as usize, System::parse(name)), (i, Some(*system)));
        }
        for (i, (reason, name, _)) in Unread::ALL.iter().enumerate() {
            assert_eq!((*reason as usize, Unread::parse(name)), (i, Some(*reason)));
        }
        for (i, (wrapping, name, _)) in Wrapping::ALL.iter().enumerate() {
            assert_eq!((*wrapping as usize, Wrapping::parse(name)), (i, Some(*wrapping)));
        }
    }
}

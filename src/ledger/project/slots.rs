//! Where the fields of each kind are kept. A kind has few fields, so the numbers of the slots mean
//! something else in each: an entity never changes its kind.

use super::super::entity::{Kind, Slot};
use crate::model::calendar::Calendar;
use crate::model::event::Field;
use crate::model::time::{Day, Timestamp};

/// When a lead was first answered, in any way, by a call and by e-mail.
pub(super) const ANSWERS: [Slot; 3] = [Slot(1), Slot(2), Slot(3)];

/// Which deal a lead became.
pub(super) const CONVERTED: Slot = Slot(6);

/// Kind of an activity or a touch, metric of a survey.
pub(super) const WORD: Slot = Slot(1);

/// Whether an activity was done.
pub(super) const DONE: Slot = Slot(2);
/// When an activity was done.
pub(super) const DONE_AT: Slot = Slot(3);
/// When an activity is planned.
pub(super) const PLANNED_AT: Slot = Slot(4);
/// Seconds of an activity.
pub(super) const DURATION: Slot = Slot(6);
/// What came of an activity.
pub(super) const OUTCOME: Slot = Slot(7);

/// Who bought, as the shop or the biller calls them.
pub const CUSTOMER: Slot = Slot(1);
/// What was refunded.
pub(super) const REFUNDED: Slot = Slot(2);
/// When an order or an invoice was paid.
pub(super) const PAID_AT: Slot = Slot(3);
/// What was taken off the list price of an order.
pub(super) const DISCOUNT: Slot = Slot(6);

/// Impressions of a campaign day.
pub(super) const IMPRESSIONS: Slot = Slot(1);
/// Clicks of a campaign day.
pub(super) const CLICKS: Slot = Slot(2);
/// Conversions of a campaign day.
pub(super) const CONVERSIONS: Slot = Slot(3);
/// The day that the id of a campaign day names.
pub const DAY: Slot = Slot(6);

/// Score of a survey response.
pub(super) const SCORE: Slot = Slot(2);
/// Top of its scale.
pub(super) const SCALE: Slot = Slot(3);

/// When a subscription started.
pub(super) const STARTED_AT: Slot = Slot(2);
/// When a subscription ended.
pub(super) const ENDED_AT: Slot = Slot(3);

/// The slot of a field of a kind other than deal, where a rule reads it.
pub fn slot(kind: Kind, field: Field) -> Option<Slot> {
    Some(match (kind, field) {
        (Kind::Lead, Field::RespondedAt) => ANSWERS[0],
        (Kind::Lead, Field::FirstCallAt) => ANSWERS[1],
        (Kind::Lead, Field::FirstEmailAt) => ANSWERS[2],
        (Kind::Lead, Field::ConvertedDeal) => CONVERTED,
        (Kind::Activity | Kind::Touch, Field::ActivityKind) => WORD,
        (Kind::Activity, Field::Done) => DONE,
        (Kind::Activity, Field::DoneAt) => DONE_AT,
        (Kind::Activity, Field::PlannedAt) => PLANNED_AT,
        (Kind::Activity, Field::Duration) => DURATION,
        (Kind::Activity, Field::Outcome) => OUTCOME,
        (Kind::Order | Kind::Invoice, Field::Amount) => Slot::AMOUNT,
        (Kind::Order | Kind::Invoice, Field::Account) => Slot::ACCOUNT,
        (Kind::Order | Kind::Invoice, Field::Customer) => CUSTOMER,
        (Kind::Order | Kind::Invoice, Field::Refunded) => REFUNDED,
        (Kind::Order | Kind::Invoice, Field::PaidAt) => PAID_AT,
        (Kind::Order, Field::Discount) => DISCOUNT,
        (Kind::CampaignDay, Field::Spend) => Slot::AMOUNT,
        (Kind::CampaignDay, Field::Impressions) => IMPRESSIONS,
        (Kind::CampaignDay, Field::Clicks) => CLICKS,
        (Kind::CampaignDay, Field::Conversions) => CONVERSIONS,
        (Kind::SurveyResponse, Field::Metric) => WORD,
        (Kind::SurveyResponse, Field::Score) => SCORE,
        (Kind::SurveyResponse, Field::ScaleMax) => SCALE,
        (Kind::Subscription, Field::Status) => Slot::STATUS,
        (Kind::Subscription, Field::Mrr) => Slot::AMOUNT,
        (Kind::Subscription, Field::StartedAt) => STARTED_AT,
        (Kind::Subscription, Field::EndedAt) => ENDED_AT,
        _ => return None,
    })
}

/// The day that the id of a campaign day ends with (`platform/account/campaign/2026-11-24`), at its
/// start in the calendar.
pub fn day_of_id(id: &str, calendar: &Calendar) -> Option<Timestamp> {
    let day = Day::parse(id.rsplit('/').next()?)?;
    Some(calendar.start_of(day)).filter(|at| at.in_range())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::event::EntityKind;

    #[test]
    fn no_two_fields_of_a_kind_share_a_slot() {
        for kind in EntityKind::ALL.iter().filter_map(|(kind, _)| Kind::of(*kind)) {
            let shared = [Slot::EXISTS, Slot::CREATED_AT, Slot::OWNER];
            let own = Field::ALL.iter().filter_map(|(field, ..)| slot(kind, *field));
            let day = (kind == Kind::CampaignDay).then_some(DAY);
            let mut all: Vec<Slot> = shared.into_iter().chain(own).chain(day).collect();
            let n = all.len();
            all.sort_unstable();
            all.dedup();
            assert_eq!(all.len(), n, "{kind:?}");
            assert!(all.iter().all(|slot| slot.0 < Slot::DIMENSIONS), "{kind:?}");
        }
    }
}

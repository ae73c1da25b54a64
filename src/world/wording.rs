//! How the systems word what happens to a deal: the same fact as one event or as several.

use super::cast::{self, Style};
use super::deal::{Act, Deal, STAGES};
use super::emit::{Draft, entity_id};
use super::{DAY, Scene};
use crate::model::event::{EntityKind, Field, Op, Status};
use crate::model::time::Precision;

const PIPELINE: &str = "sales";
const LOST_REASONS: [&str; 4] = ["price", "competitor", "no decision", "timing"];
const CAMPAIGNS: [&str; 4] = ["spring-fair", "webinar-series", "newsletter", "partner-day"];

/// Chance of winning that a stage stands for, in hundredths.
const PROBABILITIES: [u32; 6] = [10, 25, 50, 75, 100, 0];

impl Deal {
    fn scattered(&self) -> bool {
        self.subject.system.style == Style::Scattered
    }

    /// Writes and sends one event.
    fn say(
        &mut self,
        op: Op,
        at: i64,
        scene: &mut Scene<'_>,
        fill: impl FnOnce(&Deal, &mut Draft),
    ) {
        let mut draft = self.subject.draft(op, at);
        fill(self, &mut draft);
        self.subject.post(draft, at, "", scene.out);
    }

    fn update(&mut self, at: i64, scene: &mut Scene<'_>, fill: impl FnOnce(&Deal, &mut Draft)) {
        self.say(Op::Update, at, scene, fill);
    }

    fn put_name(&self, draft: &mut Draft) {
        let (first, second) = cast::company(self.account);
        draft.texts(Field::Name, &[first, " ", second, " – ", self.product.name]);
    }

    fn put_amount(&self, draft: &mut Draft) {
        draft.money(Field::Amount, self.cents, self.currency);
    }

    fn put_owner(&self, draft: &mut Draft, cast: &cast::Cast) {
        match self.owner {
            Some(owner) => draft.text(Field::Owner, &cast.reps[owner].id),
            None => draft.null(Field::Owner),
        };
    }

    fn put_stage(&self, draft: &mut Draft) {
        draft.text(Field::Stage, STAGES[self.stage].0);
    }

    fn put_account(&self, draft: &mut Draft) {
        draft.texts(Field::Account, &[&format!("a-{:05}", self.account)]);
    }

    pub(super) fn tell_create(&mut self, at: i64, scene: &mut Scene<'_>) {
        if self.scattered() {
            return self.tell_create_scattered(at, scene);
        }
        let mut draft = self.subject.draft(Op::Create, at);
        self.put_everything(&mut draft, scene);
        if self.subject.system.style != Style::Terse {
            draft.time(Field::CreatedAt, self.created, self.subject.system.precision);
        }
        self.subject.post(draft, at, "", scene.out);
    }

    fn tell_create_scattered(&mut self, at: i64, scene: &mut Scene<'_>) {
        let cast = scene.cast;
        self.say(Op::Create, at, scene, |deal, draft| {
            deal.put_name(draft);
            draft.text(Field::Pipeline, PIPELINE);
            deal.put_stage(draft);
            draft.time(Field::CreatedAt, deal.created, Precision::Millis);
        });
        let mut later = at;
        let mut next = |dice: &mut super::Dice| {
            later += 1 + dice.below(40) as i64;
            later
        };
        if self.owner.is_some() {
            self.update(next(scene.dice), scene, |deal, draft| deal.put_owner(draft, cast));
        }
        if self.channel_known {
            self.tell_channel(next(scene.dice), scene);
        }
        if self.priced {
            self.tell_price(next(scene.dice), scene);
        }
        self.update(next(scene.dice), scene, |deal, draft| deal.put_account(draft));
        self.update(next(scene.dice), scene, |deal, draft| {
            draft.text(Field::Product, deal.product.name);
        });
    }

    /// A whole deal in one event.
    pub(super) fn tell_snapshot(&mut self, at: i64, flag: &str, why: Act, scene: &mut Scene<'_>) {
        let mut draft = self.subject.draft(Op::Snapshot, at);
        self.put_everything(&mut draft, scene);
        let dated = self.subject.system.style != Style::Terse;
        if why == Act::Open || (why == Act::Snapshot && dated) {
            draft.time(Field::CreatedAt, self.created, self.subject.system.precision);
        }
        if self.status != Status::Open && dated {
            draft.time(Field::ClosedAt, self.closed, self.subject.system.precision);
        }
        self.subject.post(draft, at, flag, scene.out);
    }

    fn put_everything(&self, draft: &mut Draft, scene: &Scene<'_>) {
        let cast = scene.cast;
        self.put_name(draft);
        draft.text(Field::Pipeline, PIPELINE);
        self.put_stage(draft);
        draft.text(Field::Status, self.status.as_str());
        if self.priced {
            self.put_amount(draft);
        }
        self.put_owner(draft, cast);
        if self.states_territory() {
            draft.text(Field::Territory, cast.territory(self.territory));
        }
        if self.channel_known {
            draft.text(Field::Channel, &cast.channels[self.channel].name);
        }
        self.put_account(draft);
        draft.text(Field::Product, self.product.name).text(Field::Type, "new business");
    }

    pub(super) fn tell_stage(&mut self, price: bool, at: i64, scene: &mut Scene<'_>) {
        if self.scattered() {
            self.update(at, scene, |deal, draft| deal.put_stage(draft));
            if price {
                self.tell_price(at + 3, scene);
            }
            return;
        }
        let mut draft = self.subject.draft(Op::Update, at);
        self.put_stage(&mut draft);
        draft.hundredths(Field::Probability, PROBABILITIES[self.stage]);
        if price {
            self.put_amount(&mut draft);
        }
        self.subject.post(draft, at, "", scene.out);
    }

    /// Everyday changes that no KPI depends on, clearing among them.
    pub(super) fn tell_touch(&mut self, at: i64, scene: &mut Scene<'_>) {
        let kind = scene.dice.below(5);
        let expected = at + scene.dice.below(60) as i64 * DAY;
        let campaign = CAMPAIGNS[scene.dice.below(CAMPAIGNS.len())];
        self.update(at, scene, |deal, draft| {
            match kind {
                0 | 1 => draft.time(Field::ExpectedClose, expected, Precision::Day),
                2 => draft.null(Field::ExpectedClose).null(Field::Contact),
                3 => draft.hundredths(Field::Probability, PROBABILITIES[deal.stage]),
                _ => draft.text(Field::Campaign, campaign),
            };
        });
    }

    pub(super) fn tell_price(&mut self, at: i64, scene: &mut Scene<'_>) {
        let mut draft = self.subject.draft(Op::Update, at);
        self.put_amount(&mut draft);
        self.subject.post(draft, at, "", scene.out);
    }

    pub(super) fn tell_no_price(&mut self, at: i64, scene: &mut Scene<'_>) {
        self.update(at, scene, |_, draft| _ = draft.null(Field::Amount));
    }

    pub(super) fn tell_owner(&mut self, at: i64, scene: &mut Scene<'_>) {
        let cast = scene.cast;
        self.update(at, scene, |deal, draft| deal.put_owner(draft, cast));
    }

    pub(super) fn tell_owner_and_territory(&mut self, at: i64, scene: &mut Scene<'_>) {
        let cast = scene.cast;
        self.update(at, scene, |deal, draft| {
            deal.put_owner(draft, cast);
            draft.text(Field::Territory, cast.territory(deal.territory));
        });
    }

    pub(super) fn tell_channel(&mut self, at: i64, scene: &mut Scene<'_>) {
        let cast = scene.cast;
        self.update(at, scene, |deal, draft| {
            draft.text(Field::Channel, &cast.channels[deal.channel].name);
        });
    }

    pub(super) fn tell_close(&mut self, price: bool, at: i64, scene: &mut Scene<'_>) {
        let reason = LOST_REASONS[scene.dice.below(LOST_REASONS.len())];
        let (lost, precision) = (self.status == Status::Lost, self.subject.system.precision);
        if self.scattered() {
            // The stage first, then what the system derives from it.
            let pause = scene.dice.below(20) as i64;
            self.update(at, scene, |deal, draft| deal.put_stage(draft));
            self.update(at + pause, scene, |deal, draft| {
                draft.text(Field::Status, deal.status.as_str());
            });
            self.closed = at + pause;
            self.tell_closed_at(at + pause, scene);
            if price {
                self.tell_price(at + pause + 1, scene);
            }
            if lost {
                self.update(at + pause + 2, scene, |_, draft| {
                    draft.text(Field::LostReason, reason);
                });
            }
            return;
        }
        let mut draft = self.subject.draft(Op::Update, at);
        self.put_stage(&mut draft);
        draft.text(Field::Status, self.status.as_str());
        if self.subject.system.style != Style::Terse {
            draft.time(Field::ClosedAt, at, precision);
        }
        if price {
            self.put_amount(&mut draft);
        }
        if lost {
            draft.text(Field::LostReason, reason);
        }
        self.subject.post(draft, at, "", scene.out);
    }

    /// The owner and a colleague share the deal; of some, somebody else has credit beside them.
    pub(super) fn tell_splits(&mut self, at: i64, scene: &mut Scene<'_>) {
        let Some(owner) = self.owner else { return };
        let cast = scene.cast;
        let [second, third] = [0, 1].map(|_| cast.draw_successor(owner, scene.dice));
        let beside = third != second && scene.dice.chance(0.3);
        let shares = [("0.6", "0.4"), ("0.5", "0.5"), ("0.66666667", "0.33333333")];
        let (most, least) = shares[scene.dice.below(shares.len())];
        self.update(at, scene, |_, draft| {
            let id = |rep: usize| cast.reps[rep].id.as_str();
            let list = [
                (id(owner), most, "revenue"),
                (id(second), least, "revenue"),
                (id(third), "0.25", "overlay"),
            ];
            draft.splits(Field::Splits, if beside { &list } else { &list[..2] });
        });
    }

    pub(super) fn tell_closed_at(&mut self, at: i64, scene: &mut Scene<'_>) {
        let precision = self.subject.system.precision;
        self.update(at, scene, |deal, draft| {
            draft.time(Field::ClosedAt, deal.closed, precision);
        });
    }

    /// Scattered systems leave the old close date standing until the next closing.
    pub(super) fn tell_reopen(&mut self, at: i64, scene: &mut Scene<'_>) {
        if self.scattered() {
            self.update(at, scene, |deal, draft| deal.put_stage(draft));
            self.update(at + 2, scene, |_, draft| {
                draft.text(Field::Status, Status::Open.as_str());
            });
            return;
        }
        let dated = self.subject.system.style != Style::Terse;
        self.update(at, scene, |deal, draft| {
            deal.put_stage(draft);
            draft.text(Field::Status, Status::Open.as_str()).null(Field::LostReason);
            if dated {
                draft.null(Field::ClosedAt);
            }
        });
    }

    pub(super) fn tell_delete(&mut self, at: i64, scene: &mut Scene<'_>) {
        self.say(Op::Delete, at, scene, |_, _| ());
    }

    pub(super) fn tell_restore(&mut self, at: i64, scene: &mut Scene<'_>) {
        self.say(Op::Restore, at, scene, |_, _| ());
    }

    pub(super) fn tell_merge(&mut self, target: u64, at: i64, scene: &mut Scene<'_>) {
        self.say(Op::Merge, at, scene, |_, draft| {
            draft.merged_into(entity_id(EntityKind::Deal, target));
        });
    }
}

//! Through which stages a deal moved, and what they meant.

use super::{Projector, Said};
use crate::ledger::entity::{Entity, HISTORY_LIMIT, Held, Slot, Stamp};
use crate::ledger::symbols::Symbol;

/// A stage as its source names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Named<'s> {
    /// The system that named it.
    pub system: &'s str,
    /// Its name, which is never read twice.
    pub stage: Symbol,
    /// The pipeline in which the deal stands, as far as it is known.
    pub pipeline: Option<&'s str>,
}

/// What an event that stated the stage or the pipeline told of where the deal stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stand<'s> {
    /// The event.
    pub at: Stamp,
    /// Where the deal stands behind it; `None` where the stage was cleared.
    pub named: Option<Named<'s>>,
    /// The pipeline that was stated last; `None` where it was cleared, or never stated.
    pub stated: Option<&'s str>,
    /// The event that moved it there; `None` where that is forgotten.
    pub moved_at: Option<Stamp>,
}

impl Stand<'_> {
    /// Whether this event moved the deal.
    pub fn is_move(&self) -> bool {
        self.named.is_none() || self.moved_at == Some(self.at)
    }
}

impl Projector<'_> {
    /// What its stages meant, at each event that stated the stage or the pipeline. What is stated
    /// again, or of which pipeline a stage is, overrules nothing that was said outright since the
    /// last move.
    pub(super) fn meanings(&self, entity: &Entity, out: &mut Vec<(Stamp, Said)>) {
        self.stands(entity, |stand| {
            let Some(named) = stand.named else { return };
            let spoken = entity.history(Slot::STATUS).rev().find(|(at, _)| *at <= stand.at);
            let holds = matches!(spoken, Some((at, Held::Status(_))) if Some(at) >= stand.moved_at);
            if stand.is_move() || !holds {
                let stage = self.symbols.text(named.stage);
                let pipeline = stand.stated.unwrap_or("");
                let status = self.definition.stages.status(named.system, pipeline, stage);
                out.push((stand.at, Said::Meant(status)));
            }
        });
    }

    /// Where the deal stood, at each event that stated the stage or the pipeline. A deal moves where
    /// it comes to another stage, or from a pipeline that is known to another one.
    pub(super) fn stands<'s>(&'s self, entity: &Entity, mut each: impl FnMut(Stand<'s>)) {
        let full = |slot| entity.history(slot).count() >= HISTORY_LIMIT;
        let text = |held| match held {
            Held::Text(pipeline) => Some(self.symbols.text(pipeline)),
            _ => None,
        };
        let mut stages = entity.history(Slot::STAGE).peekable();
        let mut pipelines = entity.history(Slot::PIPELINE).peekable();
        let mut stage = Held::Null;
        // Of a history that is full the oldest writes may be gone. Its pipeline held before, and its
        // stage is no move, since it may have been stated before.
        let mut stated =
            pipelines.peek().filter(|_| full(Slot::PIPELINE)).and_then(|(_, held)| text(*held));
        let mut cut = full(Slot::STAGE);
        let (mut place, mut moved_at) = (None::<Named<'_>>, None);
        loop {
            let next = [stages.peek(), pipelines.peek()];
            let Some(at) = next.into_iter().flatten().map(|w| w.0).min() else { break };
            stage = stages.next_if(|w| w.0 == at).map_or(stage, |w| w.1);
            stated = pipelines.next_if(|w| w.0 == at).map_or(stated, |w| text(w.1));
            let Held::Named(stage, origin) = stage else {
                place = None;
                each(Stand { at, named: None, stated, moved_at: None });
                continue;
            };
            let system = self.symbols.parts(origin).0;
            let pipeline = match place {
                Some(p) if (p.stage, p.system) == (stage, system) && fits(stated, p.pipeline) => {
                    p.pipeline.or(stated)
                }
                _ => {
                    moved_at = (!std::mem::take(&mut cut)).then_some(at);
                    stated
                }
            };
            let named = Some(Named { system, stage, pipeline });
            place = named;
            each(Stand { at, named, stated, moved_at });
        }
    }
}

/// Whether two pipelines may be one: the same, or one that is not known.
pub(super) fn fits(a: Option<&str>, b: Option<&str>) -> bool {
    a.or(b) == b.or(a)
}

//! Through which stages a deal moved, and what they meant.

use super::{Projector, Said};
use crate::ledger::dimensions::MOST_TOLD;
use crate::ledger::entity::{Entity, HISTORY_LIMIT, Held, Slot, Stamp};
use crate::ledger::symbols::Symbol;
use crate::model::event::Status;
use crate::model::stage::{Rank, StageIndex};

/// A stage as its source names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Named {
    /// The system and the source that named it.
    pub(super) origin: Symbol,
    /// Its name.
    pub(super) stage: Symbol,
    /// The pipeline in which the deal stands, as far as it is known.
    pub(super) pipeline: Option<Symbol>,
}

/// What the stage table says of a stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meant {
    pub(super) index: StageIndex,
    pub(super) status: Status,
    pub(super) rank: Rank,
}

/// What an event that stated the stage or the pipeline told of where the deal stands.
#[derive(Clone, Copy, Debug)]
pub struct Stand {
    /// The event.
    pub(super) at: Stamp,
    /// Where the deal stands behind it; `None` where the stage was cleared.
    pub(super) named: Option<Named>,
    /// What that stage means; `None` where the table does not know it.
    pub(super) meant: Option<Meant>,
    /// What it means in the pipeline that was stated last.
    pub(super) says: Option<Status>,
    /// The event that moved it there; `None` where that is forgotten.
    pub(super) moved_at: Option<Stamp>,
}

impl Stand {
    /// Whether this event moved the deal.
    pub(super) fn is_move(&self) -> bool {
        self.named.is_none() || self.moved_at == Some(self.at)
    }
}

impl Projector<'_> {
    /// What its stages meant, at each event that stated the stage or the pipeline. What is stated
    /// again, or of which pipeline a stage is, overrules nothing that was said outright since the
    /// last move.
    pub(super) fn meanings(&self, entity: &Entity, out: &mut Vec<(Stamp, Said)>) {
        for stand in &self.buffers.stands {
            if stand.named.is_none() {
                continue;
            }
            let spoken = entity.history(Slot::STATUS).rev().find(|(at, _)| *at <= stand.at);
            let holds = matches!(spoken, Some((at, Held::Status(_))) if Some(at) >= stand.moved_at);
            if stand.is_move() || !holds {
                out.push((stand.at, Said::Meant(stand.says)));
            }
        }
    }

    /// What the stage table says of a stage.
    fn meant(&mut self, named: Named) -> Option<Meant> {
        let (definition, symbols) = (self.definition, &*self.symbols);
        if self.buffers.meant.len() >= MOST_TOLD {
            self.buffers.meant.clear();
        }
        *self.buffers.meant.entry(named).or_insert_with(|| {
            let pipeline = named.pipeline.map_or("", |pipeline| symbols.text(pipeline));
            let (system, stage) = (symbols.parts(named.origin).0, symbols.text(named.stage));
            let found = definition.stages.find(system, pipeline, stage)?;
            Some(Meant { index: found.index, status: found.stage.status, rank: found.rank() })
        })
    }

    /// Whether one system named both.
    pub(super) fn same_system(&self, a: Named, b: Named) -> bool {
        a.origin == b.origin || self.symbols.parts(a.origin).0 == self.symbols.parts(b.origin).0
    }

    /// Notes where the deal stood, at each event that stated the stage or the pipeline. A deal moves
    /// where it comes to another stage, or from a pipeline that is known to another one.
    pub(super) fn note_stands(&mut self, entity: &Entity) {
        let mut out = std::mem::take(&mut self.buffers.stands);
        out.clear();
        let full = |slot| entity.history(slot).count() >= HISTORY_LIMIT;
        let text = |held| match held {
            Held::Text(pipeline) => Some(pipeline),
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
        let (mut place, mut moved_at) = (None::<Named>, None);
        loop {
            let next = [stages.peek(), pipelines.peek()];
            let Some(at) = next.into_iter().flatten().map(|w| w.0).min() else { break };
            stage = stages.next_if(|w| w.0 == at).map_or(stage, |w| w.1);
            stated = pipelines.next_if(|w| w.0 == at).map_or(stated, |w| text(w.1));
            let Held::Named(stage, origin) = stage else {
                place = None;
                out.push(Stand { at, named: None, meant: None, says: None, moved_at: None });
                continue;
            };
            let named = Named { origin, stage, pipeline: stated };
            let goes_on = |p: &Named| {
                p.stage == stage && self.same_system(*p, named) && fits(stated, p.pipeline)
            };
            let pipeline = match place.filter(goes_on) {
                Some(p) => p.pipeline.or(stated),
                None => {
                    moved_at = (!std::mem::take(&mut cut)).then_some(at);
                    stated
                }
            };
            place = Some(Named { pipeline, ..named });
            let meant = self.meant(Named { pipeline, ..named });
            let says = match pipeline == stated {
                true => meant,
                false => self.meant(named),
            };
            out.push(Stand {
                at,
                named: place,
                meant,
                says: says.map(|meant| meant.status),
                moved_at,
            });
        }
        self.buffers.stands = out;
    }
}

/// Whether two pipelines may be one: the same, or one that is not known.
pub(super) fn fits(a: Option<Symbol>, b: Option<Symbol>) -> bool {
    a.or(b) == b.or(a)
}

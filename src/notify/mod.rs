//! What receivers are told of drift alerts: which states of an alert are news to somebody who heard
//! of it before, and what is written to him.
//!
//! A fold of the alerts topic and nothing else: what was told of an alert is read off the records
//! before the committed position, so that it survives restarts without a store of its own. No
//! clock, no network: those are `runtime/notify`.

mod alert;
mod body;
mod outbox;
mod sign;
mod text;

use std::collections::BTreeSet;

pub use alert::Alert;
pub use body::{AHEAD, alertmanager, id, slack, webhook};
pub use outbox::{Notice, Outbox};
pub use sign::{Signer, WrongSecret};

/// How an alert stands, in the eyes of those who are told of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Standing {
    /// The evidence is there, and a gate is shut.
    Pending,
    /// It has drifted.
    Firing,
    /// It is over.
    Resolved,
    /// Corrections undid it.
    Withdrawn,
}

impl Standing {
    /// All with their names.
    pub const ALL: [(Standing, &'static str); 4] = [
        (Standing::Pending, "pending"),
        (Standing::Firing, "firing"),
        (Standing::Resolved, "resolved"),
        (Standing::Withdrawn, "withdrawn"),
    ];

    /// The name.
    pub fn as_str(self) -> &'static str {
        Self::ALL[self as usize].1
    }

    /// From the name.
    pub fn parse(text: &str) -> Option<Standing> {
        Self::ALL.iter().find(|(_, name)| *name == text).map(|(standing, _)| *standing)
    }

    /// Whether there is nothing more to come, but for corrections.
    pub fn is_over(self) -> bool {
        matches!(self, Standing::Resolved | Standing::Withdrawn)
    }
}

/// What a receiver wants to hear of.
pub type Wanted = BTreeSet<Standing>;

/// What everybody wants to hear of.
pub fn usual() -> Wanted {
    [Standing::Firing, Standing::Resolved, Standing::Withdrawn].into()
}

/// Whether an alert is news to somebody to whom it stood as `heard` before.
fn is_news(heard: Option<Standing>, alert: &Alert, wanted: &Wanted) -> bool {
    let standing = alert.standing();
    let new = match standing {
        // What fires is past it.
        Standing::Pending => !matches!(heard, Some(Standing::Pending | Standing::Firing)),
        Standing::Firing => heard != Some(Standing::Firing),
        // Not all that was pending has fired: nobody heard of it who does not ask for that.
        Standing::Resolved | Standing::Withdrawn => {
            let told = alert.fired || heard == Some(Standing::Firing);
            heard != Some(standing) && (told || wanted.contains(&Standing::Pending))
        }
    };
    new && wanted.contains(&standing)
}

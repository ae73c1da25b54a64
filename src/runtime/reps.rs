//! Who is who: the reps of the directory as they stand today, told anew when a day begins.

use super::Context;
use crate::http::{Caps, KpiPage};
use crate::model::time::Day;

/// The day of which it was told.
#[derive(Debug, Default)]
pub struct Reps(Option<Day>);

impl Reps {
    /// Tells of a day, unless that was done.
    pub fn tell(&mut self, context: &Context, today: Day) {
        if self.0.replace(today) == Some(today) {
            return;
        }
        let caps = Caps::of_family(context.config.limits.max_series_per_family);
        let directory = &context.config.definition.directory;
        context.pages.put_directory(KpiPage::of_directory(directory, today, caps));
    }
}

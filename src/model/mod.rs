//! The nouns of Tidemark, and the algebra they obey. Pure: no clock, no I/O, no randomness, no
//! threads, no logging. Read in this order.

pub mod time;
pub mod money;
pub mod record;
pub mod event;
pub mod deadletter;
pub mod segment;
pub mod measure;
pub mod calendar;
pub mod slice;
pub mod window;
pub mod watermark;
pub mod partial;
pub mod kpi;
pub mod row;
pub mod definition;

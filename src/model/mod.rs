//! The nouns of Tidemark, and the algebra they obey. Pure: no clock, no I/O, no randomness, no
//! threads, no logging. Read in this order.

pub mod alert;
pub mod calendar;
mod catalogue;
pub mod channel;
pub mod customers;
pub mod deadletter;
pub mod definition;
pub mod event;
pub mod fiscal;
pub mod forecast;
pub mod formula;
pub mod funnel;
pub mod fx;
pub mod interval;
pub mod kpi;
pub mod mapping;
pub mod measure;
pub mod money;
pub mod partial;
mod quantile;
pub mod reads;
pub mod record;
pub mod row;
pub mod segment;
pub mod slice;
pub mod source;
pub mod split;
pub mod stage;
pub mod survival;
pub mod target;
pub mod time;
pub mod usage;
pub mod watermark;
pub mod window;
pub mod workdays;

//! Avro values as JSON text, by the schema that they were written with.
//!
//! Not the decoder of the `apache-avro` crate, which tests hold this one against: that one calls
//! itself as deep as the bytes say, builds values many times their size, and forgets attributes such
//! as `connect.name`, by which Debezium tells a time from a number. This one keeps a list of what is
//! open, writes text as it goes, and ends at a limit of depth and of size.

mod read;
mod schema;

pub use read::json;
pub use schema::Schema;

//! The shape of the configuration: which keys there are and what each takes. It comes from the
//! same declarations as the typed structs, so the two cannot part.

use super::leaf::{Given, Leaf, Problem, Raw};
use super::typed::DimensionSet;
use super::words::{Dimension, SetName};

/// What stands behind a key.
#[derive(Clone, Copy)]
pub(super) enum Shape {
    /// A single value.
    Leaf(fn(Raw<'_>) -> Result<(), Problem>),
    /// An array.
    List(&'static Shape),
    /// A table.
    Table(&'static Table),
    /// The first for single values, the second for arrays and tables.
    Either(&'static Shape, &'static Shape),
    /// A shape that has itself inside.
    Within(fn() -> Shape),
}

/// Checks the name of a key that the user chose.
pub(super) type KeyRule = fn(&str) -> Result<(), Problem>;

/// The keys of a table.
pub(super) struct Table {
    /// Keys by name.
    pub(super) keys: &'static [Key],
    /// Rule and shape of further keys, which the user names.
    pub(super) others: Option<(KeyRule, Shape)>,
}

/// One key.
pub(super) struct Key {
    pub(super) name: &'static str,
    pub(super) shape: Shape,
    /// Whether a row of an array must have it. In sections the defaults fill what is not stated.
    pub(super) required: bool,
}

impl Shape {
    /// Whether an array (or else a table) can stand here.
    pub(super) fn takes(&self, array: bool) -> bool {
        match self {
            Shape::Leaf(_) => false,
            Shape::List(_) => array,
            Shape::Table(_) => !array,
            Shape::Either(single, other) => single.takes(array) || other.takes(array),
            Shape::Within(shape) => shape().takes(array),
        }
    }

    /// Whether an environment variable can carry it.
    pub(super) fn fits_variable(&self) -> bool {
        match self {
            Shape::Leaf(_) => true,
            Shape::List(item) => matches!(item, Shape::Leaf(_) | Shape::Either(..)),
            Shape::Table(_) | Shape::Either(..) | Shape::Within(_) => false,
        }
    }
}

/// A type that knows its shape.
pub(super) trait Shaped {
    const SHAPE: Shape;
    const REQUIRED: bool = true;
}

impl<T: Leaf> Shaped for Given<T> {
    const SHAPE: Shape = Shape::Leaf(|raw| T::read(raw).map(|_| ()));
}

impl<T: Shaped> Shaped for Option<T> {
    const SHAPE: Shape = T::SHAPE;
    const REQUIRED: bool = false;
}

impl<T: Shaped> Shaped for Box<T> {
    const SHAPE: Shape = T::SHAPE;
}

impl<T: Shaped> Shaped for Vec<T> {
    const SHAPE: Shape = Shape::List(&T::SHAPE);
}

/// A name in Rust as a key: `r#type` is the key `type`.
pub(super) const fn bare(name: &'static str) -> &'static str {
    let bytes = name.as_bytes();
    if bytes.len() > 2 && bytes[0] == b'r' && bytes[1] == b'#' { name.split_at(2).1 } else { name }
}

/// Declares a table: its struct for serde, and its shape.
macro_rules! table {
    ($($(#[$doc:meta])* $name:ident { $($(#[$key_doc:meta])* $key:ident: $ty:ty,)* })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        pub(super) struct $name { $($(#[$key_doc])* pub(super) $key: $ty,)* }

        impl $crate::config::shape::Shaped for $name {
            const SHAPE: $crate::config::shape::Shape =
                $crate::config::shape::Shape::Table(&$crate::config::shape::Table {
                    keys: &[$($crate::config::shape::Key {
                        name: $crate::config::shape::bare(stringify!($key)),
                        shape: <$ty as $crate::config::shape::Shaped>::SHAPE,
                        required: <$ty as $crate::config::shape::Shaped>::REQUIRED,
                    },)*],
                    others: None,
                });
        }
    )*};
}

/// Declares a table whose keys the user names: rule of the keys, type of the values, and keys that
/// must be there.
macro_rules! map {
    ($(#[$doc:meta])* $name:ident($value:ty), keys: $rule:expr $(, fixed: [$($key:literal $required:literal),*])?) => {
        $(#[$doc])*
        #[derive(Clone, Debug, serde::Deserialize)]
        #[serde(transparent)]
        pub(super) struct $name(pub(super) std::collections::BTreeMap<String, $value>);

        impl $crate::config::shape::Shaped for $name {
            const SHAPE: $crate::config::shape::Shape =
                $crate::config::shape::Shape::Table(&$crate::config::shape::Table {
                    keys: &[$($($crate::config::shape::Key {
                        name: $key,
                        shape: <$value as $crate::config::shape::Shaped>::SHAPE,
                        required: $required,
                    },)*)?],
                    others: Some(($rule, <$value as $crate::config::shape::Shaped>::SHAPE)),
                });
        }
    };
}

pub(super) use {map, table};

impl Shaped for DimensionSet {
    const SHAPE: Shape = Shape::Either(
        &<Given<SetName> as Shaped>::SHAPE,
        &<Vec<Given<Dimension>> as Shaped>::SHAPE,
    );
}

//! Paths: where in an element a value stands.

use super::DEPTH;

/// A value's place: an index into [`Places`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place(pub usize);

/// All places that a mapping looks at, each behind the one that it is in, so that no object is read
/// twice for two values of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Places(pub Vec<Node>);

/// One place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// What it is in; none of a root.
    pub parent: Option<Place>,
    /// How to get there.
    pub hop: Hop,
    /// Whether it is another one for each element of the array that is exploded.
    pub of_item: bool,
}

/// How to get from one place to the next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hop {
    /// Root: the element.
    Element,
    /// Root `@`: the element of the array that is exploded.
    Item,
    /// Root `$op`: what the change feed says that happened.
    Op,
    /// Root `$table`: the table that the change feed names.
    Table,
    /// Root `$before`: the row as it was before the change.
    Before,
    /// The value of this name.
    Name(String),
    /// The value whose name is the text of `@`.
    ItemName,
    /// The value at this index, from the end where negative.
    At(i64),
    /// All objects of an array by their text of this name.
    By(String),
    /// The one of them whose text is this.
    Is(String),
    /// The one of them whose text is that of `@`.
    IsItem,
}

impl Places {
    /// The place that a path names. The error says what is wrong with the path.
    pub fn of(&mut self, path: &str) -> Result<Place, String> {
        let mut rest = path;
        let (root, end) = match rest.as_bytes().first() {
            None => return Err("the path is empty".to_owned()),
            Some(b'@') => (Hop::Item, 1),
            Some(b'$') => {
                let end = rest.find(['.', '[']).unwrap_or(rest.len());
                let root = match &rest[..end] {
                    "$op" => Hop::Op,
                    "$table" => Hop::Table,
                    "$before" => Hop::Before,
                    other => return Err(format!("\"{other}\" is none of $op, $table, $before")),
                };
                (root, end)
            }
            Some(_) => (Hop::Element, 0),
        };
        rest = &rest[end..];
        let is_text = matches!(root, Hop::Op | Hop::Table);
        let mut place = self.node(None, root.clone());
        let mut is_first = root == Hop::Element;
        if is_text && !rest.is_empty() {
            return Err("there is nothing inside a text".to_owned());
        }
        while !rest.is_empty() {
            rest = match rest.as_bytes()[0] {
                b'[' => self.bracket(rest, &mut place)?,
                b'.' if !is_first => self.name(&rest[1..], &mut place)?,
                _ if is_first => self.name(rest, &mut place)?,
                _ => return Err(format!("expected . or [ before \"{rest}\"")),
            };
            is_first = false;
            if self.depth(place) > DEPTH {
                return Err(format!("the path has more than {DEPTH} steps"));
            }
        }
        Ok(place)
    }

    fn name<'p>(&mut self, rest: &'p str, place: &mut Place) -> Result<&'p str, String> {
        let end = rest.find(['.', '[', ']', '=']).unwrap_or(rest.len());
        if end == 0 {
            return Err("a name is missing".to_owned());
        }
        *place = self.node(Some(*place), Hop::Name(rest[..end].to_owned()));
        Ok(&rest[end..])
    }

    /// `[0]`, `[-1]`, `["a name"]`, `[@]`, `[key=value]`, `[key=@]`.
    fn bracket<'p>(&mut self, rest: &'p str, place: &mut Place) -> Result<&'p str, String> {
        let open = || "a [ is not closed by ]".to_owned();
        if let Some(quoted) = rest.strip_prefix("[\"") {
            let (name, behind) = quoted.split_once("\"]").ok_or_else(open)?;
            *place = self.node(Some(*place), Hop::Name(name.to_owned()));
            return Ok(behind);
        }
        let (inside, behind) = rest[1..].split_once(']').ok_or_else(open)?;
        *place = match inside.split_once('=') {
            Some((key, value)) if !key.is_empty() => {
                let by = self.node(Some(*place), Hop::By(key.to_owned()));
                let is = if value == "@" { Hop::IsItem } else { Hop::Is(value.to_owned()) };
                self.node(Some(by), is)
            }
            None if inside == "@" => self.node(Some(*place), Hop::ItemName),
            _ => {
                let at = inside.parse().map_err(|_| {
                    format!("[{inside}] is none of [0], [-1], [\"name\"], [key=value], [@]")
                })?;
                self.node(Some(*place), Hop::At(at))
            }
        };
        Ok(behind)
    }

    fn node(&mut self, parent: Option<Place>, hop: Hop) -> Place {
        let known = self.0.iter().position(|node| node.parent == parent && node.hop == hop);
        Place(known.unwrap_or_else(|| {
            let of_item = matches!(hop, Hop::Item | Hop::ItemName | Hop::IsItem)
                || parent.is_some_and(|p| self.0[p.0].of_item);
            self.0.push(Node { parent, hop, of_item });
            self.0.len() - 1
        }))
    }

    fn depth(&self, place: Place) -> usize {
        std::iter::successors(Some(place), |p| self.0[p.0].parent).count()
    }

    /// The last name of a path: what the source calls the value.
    pub fn native(&self, place: Place) -> Option<&str> {
        let mut all = std::iter::successors(Some(place), |p| self.0[p.0].parent);
        all.find_map(|p| match &self.0[p.0].hop {
            Hop::Name(name) => Some(name.as_str()),
            _ => None,
        })
    }

    /// The path that names a place, for people.
    pub fn show(&self, place: Place) -> String {
        let mut hops: Vec<&Hop> = std::iter::successors(Some(place), |p| self.0[p.0].parent)
            .map(|p| &self.0[p.0].hop)
            .collect();
        hops.reverse();
        let mut out = String::new();
        for hop in hops {
            match hop {
                Hop::Element => {}
                Hop::Item => out.push('@'),
                Hop::Op => out.push_str("$op"),
                Hop::Table => out.push_str("$table"),
                Hop::Before => out.push_str("$before"),
                Hop::Name(name) if name.contains(['.', '[', ']', '=']) || name.is_empty() => {
                    out.push_str(&format!("[\"{name}\"]"));
                }
                Hop::Name(name) if out.is_empty() => out.push_str(name),
                Hop::Name(name) => out.push_str(&format!(".{name}")),
                Hop::ItemName => out.push_str("[@]"),
                Hop::At(at) => out.push_str(&format!("[{at}]")),
                Hop::By(key) => out.push_str(&format!("[{key}=")),
                Hop::Is(value) => out.push_str(&format!("{value}]")),
                Hop::IsItem => out.push_str("@]"),
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_shown_as_it_was_written() {
        let mut places = Places::default();
        for path in [
            "a",
            "a.b.c",
            "updated_attributes.status[1]",
            "a[-1].b",
            "@",
            "@.id",
            "@[0]",
            "affected_values[record_id=@].values.Stage",
            "InputParameters[key=Target].value.Attributes[key=estimatedvalue].value.Value",
            "a[@].b",
            "[\"a.b\"]",
            "x[\"a.b\"].c",
            "$op",
            "$table",
            "$before.amount",
            "properties.$value",
            "with space.ä",
        ] {
            let place = places.of(path).unwrap_or_else(|why| panic!("{path}: {why}"));
            assert_eq!(places.show(place), path);
        }
        // What is shared is there once.
        let before = places.0.len();
        places.of("a.b").unwrap();
        assert_eq!(places.0.len(), before);
        let stage = places.of("affected_values[record_id=@].values.Stage").unwrap();
        assert!(places.0[stage.0].of_item);
        assert_eq!(places.native(stage), Some("Stage"));
    }

    #[test]
    fn what_is_no_path_is_refused() {
        let mut places = Places::default();
        for (path, why) in [
            ("", "empty"),
            (".a", "a name is missing"),
            ("a..b", "a name is missing"),
            ("a.", "a name is missing"),
            ("a[", "not closed"),
            ("a[x]", "none of [0]"),
            ("a[]", "none of [0]"),
            ("a[=x]", "none of [0]"),
            ("a]b", "expected . or ["),
            ("@a", "expected . or ["),
            ("$old.a", "none of $op"),
            ("$op.a", "nothing inside"),
            ("a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q.r", "more than 16"),
        ] {
            let told = places.of(path).expect_err(path);
            assert!(told.contains(why), "{path}: {told}");
        }
    }
}

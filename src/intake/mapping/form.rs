//! What a web form posts, as JSON: the names `data[merges][FNAME]` are objects inside objects.

use std::borrow::Cow;

use crate::intake::form::{Fields, Node, plain};

/// Names inside a name; what is deeper is one name.
const DEPTH: usize = 6;

/// A form as JSON. Of a name that stands twice the last value counts; `a[]` is an array.
pub fn json_of_form(body: &str) -> String {
    let mut form = Fields::default();
    for (name, value) in body.split('&').filter_map(|pair| pair.split_once('=')) {
        put(&mut form, plain(name), plain(value));
    }
    form.json()
}

fn put<'a>(form: &mut Fields<'a>, name: Cow<'a, str>, value: Cow<'a, str>) {
    let Some(mut path) = split(&name) else {
        *form.slot(name) = Node::Text(value);
        return;
    };
    let last = path.pop().unwrap_or_default();
    // `a[]`: the elements of an array.
    let list = last.is_empty() && !path.is_empty();
    let last = if list { path.pop().unwrap_or_default() } else { last };
    match form.inside(path).slot(Cow::Owned(last)) {
        Node::List(items) if list => items.push(value),
        node if list => *node = Node::List(vec![value]),
        node => *node = Node::Text(value),
    }
}

/// `a[b][c]` as a, b, c; `None` of what is one name.
fn split(name: &str) -> Option<Vec<String>> {
    let (head, rest) = name.split_once('[')?;
    let inside = rest.strip_suffix(']').filter(|_| !head.is_empty())?;
    let mut path = vec![head.to_owned()];
    path.extend(inside.splitn(DEPTH, "][").map(str::to_owned));
    Some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_brackets_are_objects() {
        for (form, json) in [
            (
                "type=subscribe&data%5Bmerges%5D%5BFNAME%5D=Ana+B&data[id]=7",
                r#"{"type":"subscribe","data":{"merges":{"FNAME":"Ana B"},"id":"7"}}"#,
            ),
            ("a[]=1&a[]=2", r#"{"a":["1","2"]}"#),
            ("a=1&a[b]=2", r#"{"a":{"b":"2"}}"#),
            ("a[b]=2&a=1", r#"{"a":"1"}"#),
            ("[a]=1&b]=2&c[d=3", r#"{"[a]":"1","b]":"2","c[d":"3"}"#),
            ("none", "{}"),
        ] {
            assert_eq!(json_of_form(form), json, "{form}");
        }
        let deep = format!("a{}=1", "[b]".repeat(10_000));
        assert!(json_of_form(&deep).len() < 40_000);
    }
}

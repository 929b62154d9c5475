//! Conditions of a list, put together from what is asked for.

use base::Time;
use store::{Value, args};

use crate::domain::Place;

/// An end of a span, found in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edge {
    /// Where an entry stands.
    At(Place),
    /// A moment.
    Time(Time),
}

/// Conditions that all must hold, with their arguments.
#[derive(Default)]
pub(super) struct Wheres {
    texts: Vec<String>,
    args: Vec<Value>,
}

impl Wheres {
    /// Another condition; each `?` in it stands for the next of its values.
    pub(super) fn fit(&mut self, text: &str, values: &[Value]) {
        let mut text = text.to_owned();
        for value in values {
            self.args.push(value.clone());
            text = text.replacen('?', &format!("${}", self.args.len()), 1);
        }
        self.texts.push(text);
    }

    /// The column has one of the values; none fit all.
    pub(super) fn any(&mut self, column: &str, values: &[String]) {
        match values {
            [] => {}
            // Alone it lets an index give the rows in their order.
            [one] => self.fit(&format!("{column} = ?"), &args![one]),
            several => self.fit(&format!("{column} = ANY(?)"), &args![several]),
        }
    }

    /// Newer than the first edge, older than the second one and than the page before.
    pub(super) fn between(&mut self, (after, before): (Option<Edge>, Option<Edge>), page: Option<Place>) {
        let edges = [(">", after), ("<", before), ("<", page.map(Edge::At))];
        for (sign, edge) in edges {
            match edge {
                Some(Edge::At(Place { time, id })) => self.fit(&format!("(time, id) {sign} (?, ?)"), &args![time, id]),
                Some(Edge::Time(time)) => self.fit(&format!("time {sign} ?"), &args![time]),
                None => {}
            }
        }
    }

    /// What stands after WHERE for the newest `limit` rows, and its arguments.
    pub(super) fn newest(self, limit: u32) -> (String, Vec<Value>) {
        self.ordered("time DESC, id DESC", limit)
    }

    /// What stands after WHERE for the first `limit` rows of an order, and its arguments.
    pub(super) fn ordered(mut self, order: &str, limit: u32) -> (String, Vec<Value>) {
        self.fit(&format!("TRUE ORDER BY {order} LIMIT ?"), &args![limit]);
        (self.texts.join(" AND "), self.args)
    }
}

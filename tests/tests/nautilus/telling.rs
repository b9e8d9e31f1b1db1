//! How the life of an order is told: as commands of a scenario file, and as what has to be known to
//! put it beside others.

use serde_json::{Map, Value, json};

use super::{fate::Order, story::Teller};

impl Teller<'_> {
    pub fn place(&mut self, order: &Order, at: usize) {
        let mut fields = Map::from_iter([
            ("symbol".to_owned(), json!(self.symbol)),
            ("side".to_owned(), json!(order.side.name())),
            ("volume".to_owned(), json!(self.volume(order.volume))),
        ]);
        for (name, level) in levels(order) {
            if level.is_some() {
                fields.insert(name.to_owned(), self.level_or_null(level));
            }
        }
        fields.insert("id".to_owned(), json!(self.name));
        self.tell_fields(order.kind.op(), at, fields);
    }

    pub fn tell_changes(&mut self, from: &Order, to: &Order, at: usize, op: &str) {
        let mut fields = Map::new();
        for ((name, before), (_, after)) in levels(from).into_iter().zip(levels(to)) {
            if before != after {
                fields.insert(name.to_owned(), self.level_or_null(after));
            }
        }
        if from.volume != to.volume {
            fields.insert("volume".to_owned(), json!(self.volume(to.volume)));
        }
        if !fields.is_empty() {
            self.tell_command(op, at, fields);
        }
    }

    /// A command after the end of what it names.
    pub fn too_late(&mut self, end: usize, op: &str) {
        let ticks = end..(end + 200).min(self.tape.len());
        if let Some(at) = self.tape.command_tick(self.random, ticks) {
            self.tell_command(op, at, Map::new());
        }
    }

    pub fn tell_command(&mut self, op: &str, at: usize, mut fields: Map<String, Value>) {
        let id = format!("{}.{}", self.name, self.story.commands.len());
        fields.insert("id".to_owned(), json!(id));
        fields.insert("of".to_owned(), json!(self.name));
        self.tell_fields(op, at, fields);
    }

    fn tell_fields(&mut self, op: &str, at: usize, mut fields: Map<String, Value>) {
        fields.insert("op".to_owned(), json!(op));
        fields.insert("atMs".to_owned(), json!(self.tape.ticks[at].ms));
        self.story.commands.push(Value::Object(fields));
        self.story.told_at.push(at);
    }

    pub fn note_stop(&mut self, order: &Order, is_stop: bool) {
        let stop = order.stop.filter(|_| is_stop);
        self.story.stops.extend(stop.map(|stop| (order.side, stop)));
    }

    pub fn note_stop_loss(&mut self, order: &Order) {
        let closing = order.side.opposite();
        let stop_loss = order.stop_loss.map(|level| (closing, level));
        self.story.stops.extend(stop_loss);
    }

    pub fn volume(&self, steps: i64) -> String {
        let hundredths = steps * self.lots.step;
        format!("{}.{:02}", hundredths / 100, hundredths % 100)
    }

    pub fn level(&self, points: i64) -> Value {
        json!(self.tape.decimal(points))
    }

    fn level_or_null(&self, points: Option<i64>) -> Value {
        points.map_or(Value::Null, |points| self.level(points))
    }
}

fn levels(order: &Order) -> [(&'static str, Option<i64>); 4] {
    [
        ("limitPrice", order.limit),
        ("stopPrice", order.stop),
        ("stopLoss", order.stop_loss),
        ("takeProfit", order.take_profit),
    ]
}

//! What a batch of reservations does to the stock.
//!
//! Commands are keyed by the order and decided in order of arrival; an order's lines stand or fall together, and
//! a repeat finds what was done and answers the same. What always holds afterwards:
//! `0 ≤ reserved`, and `reserved ≤ on_hand` unless the variant may be oversold. The stock of a variant that is not
//! tracked does not move; its line remembers that it was not counted, whatever the variant becomes later.

use std::collections::{BTreeMap, HashMap};

use api::catalog::{Pieces, Short};
use base::{OrderId, VariantId};
use serde::{Deserialize, Serialize};

/// A command, and who caused it.
#[derive(Clone, Debug)]
pub struct Asked {
    /// What is to be done.
    pub command: Command,
    /// A user's id, or a service.
    pub actor: String,
    /// The request that caused it.
    pub request_id: String,
}

/// What orders ask of the stock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Hold these pieces for the order, all of them or none.
    Reserve(OrderId, Vec<Pieces>),
    /// Take what is held out of stock for good.
    Settle(OrderId),
    /// Release what is held, restock what was settled; later commands but this one are refused.
    Undo(OrderId),
}

impl Command {
    /// For which order.
    pub fn order(&self) -> OrderId {
        match self {
            Command::Reserve(order, _) | Command::Settle(order) | Command::Undo(order) => *order,
        }
    }
}

/// A variant's stock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shelf {
    /// The variant's SKU.
    pub sku: String,
    /// On hand.
    pub on_hand: i64,
    /// Of that, promised.
    pub reserved: i64,
    /// Whether it is counted.
    pub tracked: bool,
    /// Whether more may be promised than there is.
    pub oversell: bool,
    /// Whether it can be ordered: neither the variant nor its product is archived.
    pub living: bool,
    /// The number of its last movement.
    pub version: i64,
}

impl Shelf {
    /// Pieces that can still be promised; none when it is archived.
    pub fn available(&self) -> i64 {
        match (self.living, self.tracked && !self.oversell) {
            (false, _) => 0,
            (true, false) => super::AVAILABLE_ALWAYS,
            (true, true) => self.on_hand - self.reserved,
        }
    }
}

/// Where a reservation is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HoldState {
    /// Pieces are promised.
    Reserved,
    /// They left.
    Settled,
    /// They came back, or were never held and never will be.
    Undone,
}

/// What an order holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Where it is in its life.
    pub state: HoldState,
    /// Of what, each variant once.
    pub lines: Vec<HeldLine>,
    /// How many events told of it.
    pub version: i64,
}

/// Pieces of a variant that an order holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldLine {
    /// Of what.
    pub variant: VariantId,
    /// How many.
    pub quantity: i64,
    /// Whether the stock counts them.
    pub counted: bool,
}

/// Why a command is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Not enough of these; nothing is held.
    OutOfStock(Vec<Short>),
    /// It was undone, or there is nothing to settle.
    Closed(OrderId),
}

/// Why a stock changed; the words stand in the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// First pieces of a new variant.
    Received,
    /// More or fewer by a clerk's word.
    Adjusted,
    /// Counted by a clerk.
    Set,
    /// Promised to an order.
    Reserved,
    /// No longer promised.
    Released,
    /// Left with an order.
    Settled,
    /// Came back.
    Restocked,
}

impl Reason {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Reason::Received => "received",
            Reason::Adjusted => "adjusted",
            Reason::Set => "set",
            Reason::Reserved => "reserved",
            Reason::Released => "released",
            Reason::Settled => "settled",
            Reason::Restocked => "restocked",
        }
    }
}

/// A change of a stock, as the ledger keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Movement {
    /// Of what.
    pub variant: VariantId,
    /// Its number: the stock's version after it.
    pub version: i64,
    /// Why.
    pub reason: Reason,
    /// By how much the stock on hand changed.
    pub on_hand_change: i64,
    /// By how much the promised pieces changed.
    pub reserved_change: i64,
    /// On hand afterwards.
    pub on_hand: i64,
    /// Promised afterwards.
    pub reserved: i64,
    /// For which order.
    pub order: Option<OrderId>,
    /// Why, in a clerk's words.
    pub note: Option<String>,
    /// Who caused it.
    pub actor: String,
    /// The request that caused it.
    pub request_id: String,
}

/// Something that the world is told of a reservation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Which command of the batch it tells of.
    pub command: usize,
    /// `InventoryReserved` or `InventoryReleased`.
    pub kind: &'static str,
    /// Which order.
    pub order: OrderId,
    /// The reservation's version.
    pub sequence: i64,
    /// Whether the pieces had left and came back.
    pub restocked: bool,
    /// Of what.
    pub lines: Vec<HeldLine>,
}

/// What a batch comes to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decisions {
    /// One answer for each command.
    pub answers: Vec<Result<(), Refusal>>,
    /// Stocks that changed, as they are afterwards.
    pub shelves: BTreeMap<VariantId, Shelf>,
    /// Reservations that changed, as they are afterwards.
    pub held: BTreeMap<OrderId, Held>,
    /// For the ledger, in order.
    pub movements: Vec<Movement>,
    /// For the world, in order.
    pub told: Vec<Told>,
}

/// Decides a batch in order of arrival. `shelves` holds the stock of every variant that a command or a
/// reservation names (what is absent is unknown), `held` the reservation of every order that has one.
pub fn decide(asked: &[Asked], shelves: &HashMap<VariantId, Shelf>, held: &HashMap<OrderId, Held>) -> Decisions {
    let mut desk = Desk {
        shelves,
        held,
        done: Decisions::default(),
    };
    for (place, asked) in asked.iter().enumerate() {
        let answer = match &asked.command {
            Command::Reserve(order, lines) => desk.reserve(place, *order, lines, asked),
            Command::Settle(order) => desk.settle(*order, asked),
            Command::Undo(order) => desk.undo(place, *order, asked),
        };
        desk.done.answers.push(answer);
    }
    desk.done
}

struct Desk<'a> {
    shelves: &'a HashMap<VariantId, Shelf>,
    held: &'a HashMap<OrderId, Held>,
    done: Decisions,
}

impl Desk<'_> {
    fn shelf(&self, variant: VariantId) -> Option<&Shelf> {
        self.done.shelves.get(&variant).or_else(|| self.shelves.get(&variant))
    }

    fn held(&self, order: OrderId) -> Option<&Held> {
        self.done.held.get(&order).or_else(|| self.held.get(&order))
    }

    fn reserve(&mut self, place: usize, order: OrderId, pieces: &[Pieces], asked: &Asked) -> Result<(), Refusal> {
        match self.held(order).map(|held| held.state) {
            Some(HoldState::Reserved | HoldState::Settled) => return Ok(()),
            Some(HoldState::Undone) => return Err(Refusal::Closed(order)),
            None => {}
        }
        let mut wanted: BTreeMap<VariantId, i64> = BTreeMap::new();
        for Pieces { variant, quantity } in pieces.iter().filter(|line| !line.quantity.is_zero()) {
            *wanted.entry(*variant).or_default() += quantity.pieces();
        }
        let short: Vec<Short> = wanted
            .iter()
            .filter_map(|(variant, requested)| {
                let shelf = self.shelf(*variant);
                let available = shelf.map_or(0, Shelf::available);
                (available < *requested).then(|| Short {
                    variant_id: *variant,
                    sku: shelf.map(|shelf| shelf.sku.clone()).unwrap_or_default(),
                    requested: *requested,
                    available: available.max(0),
                })
            })
            .collect();
        if !short.is_empty() {
            return Err(Refusal::OutOfStock(short));
        }
        let lines: Vec<HeldLine> = wanted
            .into_iter()
            .map(|(variant, quantity)| {
                let counted = self.shelf(variant).is_some_and(|shelf| shelf.tracked);
                HeldLine {
                    variant,
                    quantity,
                    counted,
                }
            })
            .collect();
        for line in &lines {
            self.shift(line, Reason::Reserved, order, asked);
        }
        let held = Held {
            state: HoldState::Reserved,
            lines: lines.clone(),
            version: 1,
        };
        self.done.held.insert(order, held);
        self.tell(place, "InventoryReserved", order, 1, false, lines);
        Ok(())
    }

    fn settle(&mut self, order: OrderId, asked: &Asked) -> Result<(), Refusal> {
        let held = match self.held(order) {
            Some(held) if held.state == HoldState::Settled => return Ok(()),
            Some(held) if held.state == HoldState::Reserved => held.clone(),
            _ => return Err(Refusal::Closed(order)),
        };
        for line in &held.lines {
            self.shift(line, Reason::Settled, order, asked);
        }
        self.done.held.insert(
            order,
            Held {
                state: HoldState::Settled,
                ..held
            },
        );
        Ok(())
    }

    fn undo(&mut self, place: usize, order: OrderId, asked: &Asked) -> Result<(), Refusal> {
        let Some(held) = self.held(order).cloned() else {
            let tombstone = Held {
                state: HoldState::Undone,
                lines: Vec::new(),
                version: 0,
            };
            self.done.held.insert(order, tombstone);
            return Ok(());
        };
        let reason = match held.state {
            HoldState::Undone => return Ok(()),
            HoldState::Reserved => Reason::Released,
            HoldState::Settled => Reason::Restocked,
        };
        for line in &held.lines {
            self.shift(line, reason, order, asked);
        }
        let (lines, version) = (held.lines.clone(), held.version + 1);
        self.done.held.insert(
            order,
            Held {
                state: HoldState::Undone,
                version,
                ..held
            },
        );
        self.tell(
            place,
            "InventoryReleased",
            order,
            version,
            reason == Reason::Restocked,
            lines,
        );
        Ok(())
    }

    /// Moves the pieces of one line, and writes it into the ledger. Uncounted pieces move nothing.
    fn shift(&mut self, line: &HeldLine, reason: Reason, order: OrderId, asked: &Asked) {
        let pieces = line.quantity;
        let (on_hand_change, reserved_change) = match reason {
            Reason::Reserved => (0, pieces),
            Reason::Released => (0, -pieces),
            Reason::Settled => (-pieces, -pieces),
            Reason::Restocked => (pieces, 0),
            Reason::Received | Reason::Adjusted | Reason::Set => (0, 0),
        };
        let Some(shelf) = self.shelf(line.variant).filter(|_| line.counted).cloned() else {
            return;
        };
        let after = Shelf {
            on_hand: shelf.on_hand + on_hand_change,
            reserved: shelf.reserved + reserved_change,
            version: shelf.version + 1,
            ..shelf
        };
        debug_assert!(
            after.reserved >= 0 && (after.oversell || after.reserved <= after.on_hand),
            "{after:?}"
        );
        self.done.movements.push(Movement {
            variant: line.variant,
            version: after.version,
            reason,
            on_hand_change,
            reserved_change,
            on_hand: after.on_hand,
            reserved: after.reserved,
            order: Some(order),
            note: None,
            actor: asked.actor.clone(),
            request_id: asked.request_id.clone(),
        });
        self.done.shelves.insert(line.variant, after);
    }

    fn tell(
        &mut self,
        command: usize,
        kind: &'static str,
        order: OrderId,
        sequence: i64,
        restocked: bool,
        lines: Vec<HeldLine>,
    ) {
        self.done.told.push(Told {
            command,
            kind,
            order,
            sequence,
            restocked,
            lines,
        });
    }
}

#[cfg(test)]
mod tests;

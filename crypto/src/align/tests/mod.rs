//! Two machines against plain sets.

mod hostile;
mod secrecy;
mod union;

use super::*;
use crate::hash::{self, Digest};
use crate::seed::Seed;

/// Key number `number`.
pub fn key(number: u32) -> [u8; 32] {
    hash::hash("test/align/key", &[&number.to_le_bytes()]).0
}

pub fn keys(numbers: impl IntoIterator<Item = u32>) -> Vec<[u8; 32]> {
    numbers.into_iter().map(key).collect()
}

pub fn params(minimum: u32, pool: u32) -> Params {
    let padding = (pool > 0).then(|| Padding::new(pool).unwrap());
    Params::new(&Digest([7; 32]), minimum, padding).unwrap()
}

pub fn seed(byte: u8) -> Seed {
    Seed::from_bytes([byte; 32])
}

/// The two sides, the row side first, with all that each has sent.
pub struct Pair {
    pub machines: [Align; 2],
    pub sent: [Vec<Outgoing>; 2],
}

impl Pair {
    pub fn new(params: &Params, row: &[[u8; 32]], attribute: &[[u8; 32]], seeds: [u8; 2]) -> Self {
        Self {
            machines: [
                Align::new(Side::Row, params, row, &seed(seeds[0])).unwrap(),
                Align::new(Side::Attribute, params, attribute, &seed(seeds[1])).unwrap(),
            ],
            sent: [Vec::new(), Vec::new()],
        }
    }

    /// Carries one message from a side, if it has one.
    pub fn step(&mut self, from: usize) -> bool {
        let number = self.sent[from].len() as u32;
        let Some(message) = self.machines[from].message(number) else {
            return false;
        };
        let to = &mut self.machines[1 - from];
        assert_eq!(to.next(), number);
        to.receive(number, &message.bytes).unwrap();
        self.sent[from].push(message);
        true
    }

    /// Carries messages, each side's as soon as it has them, until neither has any.
    pub fn run(mut self) -> Self {
        while self.step(0) | self.step(1) {}
        for (machine, sent) in self.machines.iter().zip(&self.sent) {
            assert_eq!(machine.outgoing(), Some(sent.len() as u32));
            let last: Vec<_> = sent.iter().map(|message| message.last).collect();
            assert_eq!(last.iter().position(|&last| last), Some(last.len() - 1));
        }
        self
    }

    pub fn results(&self) -> [Alignment; 2] {
        [0, 1].map(|side| self.machines[side].result().unwrap().clone())
    }
}

/// Runs both sides to the end.
pub fn align(params: &Params, row: &[[u8; 32]], attribute: &[[u8; 32]]) -> [Alignment; 2] {
    Pair::new(params, row, attribute, [1, 2]).run().results()
}

/// Kind of a message.
pub fn kind(message: &Outgoing) -> u8 {
    message.bytes[1]
}

/// All items of one kind that a side sent.
pub fn items<const N: usize>(sent: &[Outgoing], of: Kind) -> Vec<[u8; N]> {
    let messages = sent.iter().filter(|message| kind(message) == of as u8);
    messages
        .flat_map(|message| message.bytes[HEADER..].as_chunks::<N>().0.to_vec())
        .collect()
}

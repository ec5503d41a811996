//! The rows of a file, chunk by chunk: made on several threads, written in order.

use super::World;
use super::anomaly::Anomaly;
use super::columns::{Hop, transactions};
use super::draw::{Draw, Purpose, portion};
use super::payment::Payment;
use crate::error::{CliError, Result};
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use std::sync::mpsc::sync_channel;

/// Rows of a chunk: what a thread holds at a time. Part of the format: another number makes other data.
pub const CHUNK: u64 = 16_384;

/// One file of transactions.
#[derive(Clone, Copy, Debug)]
pub struct Table {
    /// Which of the two files.
    pub purpose: Purpose,
    /// Its rows.
    pub rows: u64,
    /// Its labelled rows.
    pub positives: u64,
}

impl Table {
    const fn chunks(&self) -> u64 {
        self.rows.div_ceil(CHUNK)
    }

    /// The rows of chunk `chunk`, sorted by time.
    fn chunk(&self, world: &World, schema: &SchemaRef, chunk: u64) -> Result<RecordBatch> {
        let mut draw = Draw::new(world.seed, self.purpose, chunk);
        let from = chunk * CHUNK;
        let rows = CHUNK.min(self.rows - from);
        let before = |row| portion(self.positives, row, self.rows);
        let positives = before(from + rows) - before(from);
        // A chunk is a slice of the period, so that the file is in the order of time.
        let moment = |row| portion(1_000_000, row, self.rows) as i64;
        let part = (moment(from), moment(from + rows));
        let mut payments: Vec<Payment> = Vec::new();
        let mut hops: Vec<Hop> = Vec::with_capacity(rows as usize);
        while (hops.len() as u64) < rows {
            let made = hops.len() as u64;
            let (anomaly, left) = match positives.checked_sub(made).filter(|left| *left > 0) {
                Some(left) => (Some(Anomaly::draw(&mut draw)), left),
                None => (None, rows - made),
            };
            let payment = Payment::draw(world, anomaly, left.min(3) as u8, part, &mut draw);
            hops.extend((0..payment.route.hops()).map(|hop| (payments.len(), hop)));
            payments.push(payment);
        }
        let time = |&(payment, hop): &Hop| payments.get(payment).map(|payment| payment.time(hop));
        hops.sort_by_key(|hop| (time(hop), *hop));
        transactions(world, schema, &payments, &hops, &mut draw)
    }

    /// Makes all chunks on `threads` threads and hands them to `write` in order. At most two chunks per thread are
    /// in memory.
    pub fn each_chunk(
        &self,
        world: &World,
        schema: &SchemaRef,
        threads: usize,
        mut write: impl FnMut(RecordBatch) -> Result<()>,
    ) -> Result<()> {
        let threads = threads.max(1) as u64;
        std::thread::scope(|scope| {
            let made: Vec<_> = (0..threads)
                .map(|thread| {
                    let (send, receive) = sync_channel(1);
                    scope.spawn(move || {
                        for chunk in (thread..self.chunks()).step_by(threads as usize) {
                            // The other end is gone where writing failed.
                            if send.send(self.chunk(world, schema, chunk)).is_err() {
                                break;
                            }
                        }
                    });
                    receive
                })
                .collect();
            for (_, receive) in (0..self.chunks()).zip(made.iter().cycle()) {
                let chunk = receive
                    .recv()
                    .map_err(|_| CliError::Config("a thread that makes transactions ended early".into()))??;
                write(chunk)?;
            }
            // Dropped here, so that a thread that still wants to send ends with the scope.
            drop(made);
            Ok(())
        })
    }
}

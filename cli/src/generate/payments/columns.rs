//! Payments and accounts as the challenge's columns.

use super::World;
use super::accounts::Share;
use super::calendar::{timestamp, yymmdd};
use super::draw::Draw;
use super::identity::Identity;
use super::payment::{Named, Payment, Told};
use crate::error::{CliError, Result};
use datafusion::arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringBuilder};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use std::fmt::Write as _;
use std::sync::Arc;

/// The 20 columns of transactions, in the challenge's order.
const TRANSACTIONS: [(&str, DataType); 20] = [
    ("MessageId", DataType::Utf8),
    ("Timestamp", DataType::Utf8),
    ("UETR", DataType::Utf8),
    ("Sender", DataType::Utf8),
    ("Receiver", DataType::Utf8),
    ("TransactionReference", DataType::Utf8),
    ("OrderingAccount", DataType::Utf8),
    ("OrderingName", DataType::Utf8),
    ("OrderingStreet", DataType::Utf8),
    ("OrderingCountryCityZip", DataType::Utf8),
    ("BeneficiaryAccount", DataType::Utf8),
    ("BeneficiaryName", DataType::Utf8),
    ("BeneficiaryStreet", DataType::Utf8),
    ("BeneficiaryCountryCityZip", DataType::Utf8),
    ("SettlementDate", DataType::Int64),
    ("SettlementCurrency", DataType::Utf8),
    ("SettlementAmount", DataType::Float64),
    ("InstructedCurrency", DataType::Utf8),
    ("InstructedAmount", DataType::Float64),
    ("Label", DataType::Int64),
];

/// The 6 columns of accounts.
const ACCOUNTS: [&str; 6] = ["Bank", "Account", "Name", "Street", "CountryCityZip", "Flags"];

/// Schema of a transactions file.
pub fn transactions_schema() -> SchemaRef {
    let fields: Vec<Field> = TRANSACTIONS
        .into_iter()
        .map(|(name, kind)| Field::new(name, kind, true))
        .collect();
    Arc::new(Schema::new(fields))
}

/// Schema of a file of accounts.
pub fn accounts_schema() -> SchemaRef {
    let fields: Vec<Field> = ACCOUNTS.map(|name| Field::new(name, DataType::Utf8, true)).into();
    Arc::new(Schema::new(fields))
}

/// One hop: the payment's position in the chunk, and the hop's in the payment.
pub type Hop = (usize, u8);

/// A batch of hops, in the given order; `draw` makes what only identifies the message.
pub fn transactions(
    world: &World,
    schema: &SchemaRef,
    payments: &[Payment],
    hops: &[Hop],
    draw: &mut Draw,
) -> Result<RecordBatch> {
    let text = || StringBuilder::with_capacity(hops.len(), hops.len() * 20);
    let [
        mut message,
        mut time,
        mut uetr,
        mut sender,
        mut receiver,
        mut reference,
    ] = [0; 6].map(|_| text());
    let mut parties = [0; 2].map(|_| Holders::new(hops.len()));
    let [mut settlement_currency, mut instructed_currency] = [0; 2].map(|_| text());
    let [mut dates, mut labels] = [0; 2].map(|_| Vec::with_capacity(hops.len()));
    let mut amounts = [0; 2].map(|_| Vec::with_capacity(hops.len()));
    let mut buffer = String::new();
    for (payment, hop) in hops {
        let Some(payment) = payments.get(*payment) else {
            continue;
        };
        code("M", draw.bits(), 9, &mut buffer);
        message.append_value(&buffer);
        timestamp(payment.time(*hop), &mut buffer);
        time.append_value(&buffer);
        uuid(payment.id, &mut buffer);
        uetr.append_value(&buffer);
        let (from, to) = payment.route.hop(*hop);
        sender.append_value(world.banks.bank(from).0);
        receiver.append_value(world.banks.bank(to).0);
        code(
            "R",
            payment
                .id
                .iter()
                .fold(u64::from(*hop), |sum, bits| sum.wrapping_add(*bits)),
            11,
            &mut buffer,
        );
        reference.append_value(&buffer);
        for (holders, named) in parties.iter_mut().zip([payment.ordering, payment.beneficiary]) {
            holders.append(world, named, &mut buffer);
        }
        dates.push(yymmdd(payment.settled));
        let [settled, instructed] = payment.currencies;
        settlement_currency.append_value(settled);
        instructed_currency.append_value(instructed);
        for (column, amount) in amounts.iter_mut().zip(payment.amounts) {
            column.push(amount);
        }
        labels.push(i64::from(payment.anomaly.is_some()));
    }
    let mut arrays: Vec<ArrayRef> = Vec::with_capacity(TRANSACTIONS.len());
    for mut column in [message, time, uetr, sender, receiver, reference] {
        arrays.push(Arc::new(column.finish()));
    }
    for holders in parties {
        arrays.extend(holders.finish());
    }
    let [settlement_amounts, instructed_amounts] = amounts;
    arrays.push(Arc::new(Int64Array::from(dates)));
    arrays.push(Arc::new(settlement_currency.finish()));
    arrays.push(Arc::new(Float64Array::from(settlement_amounts)));
    arrays.push(Arc::new(instructed_currency.finish()));
    arrays.push(Arc::new(Float64Array::from(instructed_amounts)));
    arrays.push(Arc::new(Int64Array::from(labels)));
    RecordBatch::try_new(Arc::clone(schema), arrays).map_err(CliError::library("build transactions"))
}

/// The rows `[from, to)` of a bank's table.
pub fn accounts(
    world: &World,
    schema: &SchemaRef,
    bank: usize,
    share: &Share,
    rows: std::ops::Range<u64>,
) -> Result<RecordBatch> {
    let count = (rows.end - rows.start) as usize;
    let text = || StringBuilder::with_capacity(count, count * 20);
    let (mut codes, mut flags) = (text(), text());
    let mut holders = Holders::new(count);
    let mut buffer = String::new();
    for row in rows {
        let account = share.at_row(row);
        codes.append_value(world.banks.bank(bank).0);
        let told = Told::True;
        holders.append(world, Named { account, bank, told }, &mut buffer);
        flags.append_value(share.flag(account));
    }
    let mut arrays: Vec<ArrayRef> = vec![Arc::new(codes.finish())];
    arrays.extend(holders.finish());
    arrays.push(Arc::new(flags.finish()));
    RecordBatch::try_new(Arc::clone(schema), arrays).map_err(CliError::library("build accounts"))
}

/// Four columns that tell of an account.
struct Holders {
    columns: [StringBuilder; 4],
    identity: Identity,
    other: Identity,
}

impl Holders {
    fn new(rows: usize) -> Self {
        Self {
            columns: [0; 4].map(|_| StringBuilder::with_capacity(rows, rows * 20)),
            identity: Identity::default(),
            other: Identity::default(),
        }
    }

    fn append(&mut self, world: &World, named: Named, buffer: &mut String) {
        let country = world.banks.bank(named.bank).1;
        self.identity.tell(world.seed, named.account, country);
        let Identity {
            account,
            name,
            street,
            city,
        } = &self.identity;
        let mut told = [Some(account), Some(name), Some(street), Some(city)];
        let [_, as_name, as_street, as_city] = &mut told;
        match named.told {
            Told::True => {}
            Told::NoName => *as_name = None,
            Told::OtherName | Told::OtherStreet => {
                // The next position's holder; the odd namesake is told apart by a letter.
                self.other.tell(world.seed, named.account + 1, country);
                if named.told == Told::OtherName {
                    if self.other.name == *name {
                        self.other.name.push('S');
                    }
                    *as_name = Some(&self.other.name);
                } else {
                    if self.other.street == *street {
                        self.other.street.push('S');
                    }
                    *as_street = Some(&self.other.street);
                }
            }
            Told::Typo => {
                buffer.clear();
                buffer.extend(city.chars().take(1).chain(city.chars().skip(2)));
                *as_city = Some(buffer);
            }
        }
        for (column, value) in self.columns.iter_mut().zip(told) {
            column.append_option(value);
        }
    }

    fn finish(self) -> impl Iterator<Item = ArrayRef> {
        self.columns
            .into_iter()
            .map(|mut column| -> ArrayRef { Arc::new(column.finish()) })
    }
}

/// Replaces `text` by a letter and `length` characters of base 32.
fn code(kind: &str, mut bits: u64, length: usize, text: &mut String) {
    text.clear();
    text.push_str(kind);
    for _ in 0..length {
        let digit = (bits & 31) as u8;
        text.push(char::from(if digit < 10 {
            b'0' + digit
        } else {
            b'A' + digit - 10
        }));
        bits >>= 5;
    }
}

/// Replaces `text` by a random (version 4) UUID of 122 of these bits.
fn uuid([high, low]: [u64; 2], text: &mut String) {
    text.clear();
    // Writing to a string does not fail.
    let _ = write!(
        text,
        "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
        high >> 32,
        high >> 16 & 0xffff,
        high & 0xfff,
        low >> 48 & 0x3fff | 0x8000,
        low & 0xffff_ffff_ffff
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_have_their_form() {
        let mut text = String::from("x");
        uuid([u64::MAX, u64::MAX], &mut text);
        assert_eq!(text, "ffffffff-ffff-4fff-bfff-ffffffffffff");
        code("M", 0xF000_0000_0000_03FF, 9, &mut text);
        assert_eq!(text, "MVV0000000");
    }
}

//! Hybrid key switching: from `c s'` to a pair under `s`, with noise that does not depend on the modulus.
//!
//! `c` is cut into digits modulo products of primes; each digit is raised to all primes and the special ones, multiplied by
//! its part of the key, which encrypts `P g s'` for the digit's gadget factor `g`, and the sum is divided by the product `P`
//! of the special primes (Han and Ki, *Better bootstrapping for approximate homomorphic encryption*, CT-RSA 2020, section
//! 3). Pairs are kept prime by prime, `[primes, 2, N]`.

use super::eval_key::SwitchingKey;
use super::parallel::{Rooms, Words, words};
use super::params::{MAX_DIGIT, Params};
use crate::ring::convert::Conversion;
use crate::ring::simd::{self, Factor};
use crate::ring::{Eval, Poly};

/// The most digits of a key switch.
const MAX_DIGITS: usize = super::params::MAX_LEVELS as usize + 1;

/// Room for key switches, reused from one to the next.
#[derive(Debug)]
pub(super) struct Room {
    /// `[chain, N]`: shares of the digits.
    pub(super) shares: Words,
    /// `[chain + special, 2, N]`.
    pub(super) extended: Words,
    pub(super) workers: Rooms,
}

impl Room {
    pub(super) fn new(params: &Params) -> Self {
        let degree = params.degree();
        let chain = params.levels() + 1;
        let digits = params.digits(params.levels());
        Self {
            shares: words(chain * degree),
            extended: words((chain + params.special_primes()) * 2 * degree),
            workers: Rooms::new((digits.max(2) + 2) * degree),
        }
    }
}

/// The raised digits of a polynomial, `[chain + special, digits, N]`: what several key switches of it share.
#[derive(Debug)]
pub(super) struct Raised(Words);

/// What the digits are taken from.
#[derive(Clone, Copy)]
pub(super) enum Digits<'a> {
    /// Shares and values of the chain, raised on the way.
    Shares { shares: &'a [u64], values: &'a [u64] },
    /// Digits raised before.
    Raised(&'a Raised),
}

/// The shares of all digits of a polynomial given by its values.
pub(super) fn shares(params: &Params, level: usize, values: &[u64], shares: &mut [u64], workers: &mut Rooms) {
    let degree = params.degree();
    let length = (level + 1) * degree;
    let tasks = values[..length]
        .chunks_exact(degree)
        .zip(shares[..length].chunks_exact_mut(degree))
        .enumerate();
    let alpha = params.digit(0, params.levels()).len();
    workers.for_each(length, tasks, |(index, (values, shares)), _| {
        let digit = params.digit(index / alpha, level);
        shares.copy_from_slice(values);
        let conversion = &params.tables().up[index / alpha][digit.len() - 1];
        conversion.source(index - digit.start, params.limb(index), shares);
    });
}

/// One digit modulo one prime, among all primes.
fn raise(params: &Params, level: usize, digit: usize, prime: usize, shares: &[u64], out: &mut [u64]) {
    let degree = params.degree();
    let range = params.digit(digit, level);
    let conversion = &params.tables().up[digit][range.len() - 1];
    let sources = &shares[range.start * degree..range.end * degree];
    conversion.target(prime, params.limb(prime), sources, out);
}

impl Raised {
    /// No digits yet.
    pub(super) fn empty() -> Self {
        Self(words(0))
    }

    /// Raises all digits of a polynomial given by its values.
    pub(super) fn fill(&mut self, params: &Params, level: usize, values: &[u64], room: &mut Room) {
        shares(params, level, values, &mut room.shares, &mut room.workers);
        let degree = params.degree();
        let digits = params.digits(level);
        let primes = params.extended(level);
        let length = primes.len() * digits * degree;
        if self.0.len() < length {
            self.0.resize(length, 0);
        }
        let shares = &room.shares[..];
        let tasks = primes.zip(self.0[..length].chunks_exact_mut(digits * degree));
        room.workers.for_each(length, tasks, |(prime, raised), _| {
            for (digit, out) in raised.chunks_exact_mut(degree).enumerate() {
                if params.digit(digit, level).contains(&prime) {
                    out.copy_from_slice(&values[prime * degree..][..degree]);
                } else {
                    raise(params, level, digit, prime, shares, out);
                }
            }
        });
    }
}

/// The sums of products of all digits of a polynomial with a key, and to them `P` times what is given to add to the first and
/// to the second half: a key switch before its division by `P`.
#[derive(Clone, Copy)]
pub(super) struct Inner<'a> {
    pub(super) params: &'a Params,
    pub(super) level: usize,
    pub(super) digits: Digits<'a>,
    pub(super) key: &'a SwitchingKey,
    pub(super) add: [Option<&'a Poly<Eval>>; 2],
}

impl Inner<'_> {
    /// The pair modulo one prime, the one at `index` among those of the level. The room has as many polynomials as there
    /// are digits.
    fn row(&self, index: usize, prime: usize, pair: &mut [u64], room: &mut [u64]) {
        let (params, level) = (self.params, self.level);
        let degree = params.degree();
        let count = params.digits(level);
        let limb = params.limb(prime);
        let mut sources: [&[u64]; MAX_DIGITS] = [&[]; MAX_DIGITS];
        match self.digits {
            Digits::Raised(raised) => {
                let words = raised.0[index * count * degree..][..count * degree].chunks_exact(degree);
                sources
                    .iter_mut()
                    .zip(words)
                    .for_each(|(source, words)| *source = words);
            }
            Digits::Shares { shares, values } => {
                let room = room[..count * degree].chunks_exact_mut(degree);
                for ((digit, source), out) in sources.iter_mut().enumerate().zip(room) {
                    *source = if params.digit(digit, level).contains(&prime) {
                        &values[prime * degree..][..degree]
                    } else {
                        raise(params, level, digit, prime, shares, out);
                        out
                    };
                }
            }
        }
        let mut keys: [[&[u64]; MAX_DIGITS]; 2] = [[&[]; MAX_DIGITS]; 2];
        for digit in 0..count {
            for (half, keys) in keys.iter_mut().enumerate() {
                keys[digit] = self.key.limb(digit, half, prime);
            }
        }
        let (first, second) = pair.split_at_mut(degree);
        let (sources, [keys0, keys1]) = (&sources[..count], &keys);
        simd::dot_pair(
            first,
            second,
            sources,
            &keys0[..count],
            &keys1[..count],
            limb.reducer(),
        );
        if prime <= level {
            let special = params.tables().special[prime];
            for (half, add) in [first, second].into_iter().zip(self.add) {
                if let Some(add) = add {
                    simd::add_scaled(half, add.limb(prime), special, limb.reducer());
                }
            }
        }
    }

    /// The pairs modulo all primes of the level and the special ones.
    pub(super) fn all(&self, extended: &mut [u64], workers: &mut Rooms) {
        let pair = 2 * self.params.degree();
        let primes = self.params.extended(self.level);
        let length = primes.len() * pair;
        let tasks = primes.zip(extended[..length].chunks_exact_mut(pair)).enumerate();
        workers.for_each(length, tasks, |(index, (prime, pair)), room| {
            self.row(index, prime, pair, room)
        });
    }

    /// The pairs divided as by [`divide`], each made, divided and finished in one go: `extended` has room for those pairs
    /// only that are divided by.
    pub(super) fn divided<T: Send>(
        &self,
        rescale: bool,
        extended: &mut [u64],
        workers: &mut Rooms,
        outs: impl Iterator<Item = T> + Send,
        finish: impl Fn(&[u64], T) + Sync,
    ) {
        let (params, level) = (self.params, self.level);
        let pair = 2 * params.degree();
        let division = Division::new(params, level, rescale);
        let primes = params.extended(level);
        let rest = &mut extended[..(primes.len() - division.kept) * pair];
        let length = rest.len();
        let tasks = primes
            .enumerate()
            .skip(division.kept)
            .zip(rest.chunks_exact_mut(pair));
        workers.for_each(length, tasks, |((index, prime), words), room| {
            self.row(index, prime, words, room);
            division.source(params, index, prime, words);
        });
        let rest = &*rest;
        workers.for_each(
            division.kept * pair,
            outs.take(division.kept).enumerate(),
            |(prime, out), room| {
                let (words, room) = room.split_at_mut(pair);
                self.row(prime, prime, words, room);
                division.target(params, prime, rest, words, &mut room[..pair]);
                finish(words, out);
            },
        );
    }
}

/// What a division by `P`, and by the prime of the level if that is asked for, takes.
struct Division<'a> {
    /// How many primes are left.
    kept: usize,
    conversion: &'a Conversion,
    inverses: &'a [Factor],
}

impl<'a> Division<'a> {
    fn new(params: &'a Params, level: usize, rescale: bool) -> Self {
        let tables = params.tables();
        Self {
            kept: level + 1 - usize::from(rescale),
            conversion: if rescale {
                &tables.down_rescaled[level]
            } else {
                &tables.down
            },
            inverses: if rescale {
                &tables.both_inverse[level]
            } else {
                &tables.special_inverse
            },
        }
    }

    /// Prepares what is modulo one of the primes that are divided by, the one at `index` among those of the level.
    fn source(&self, params: &Params, index: usize, prime: usize, words: &mut [u64]) {
        self.conversion
            .source(index - self.kept, params.limb(prime), words);
    }

    /// Divides what is modulo one of the primes that are left.
    fn target(&self, params: &Params, prime: usize, rest: &[u64], words: &mut [u64], room: &mut [u64]) {
        let limb = params.limb(prime);
        self.conversion.target(prime, limb, rest, room);
        simd::sub_scale(words, room, self.inverses[prime], limb.reducer());
    }
}

/// Divides polynomials modulo all primes of the level and the special ones, `[primes, width, N]`, by `P`, and by the
/// prime of the level if that is asked for, rounding. What is modulo one prime of the result goes to `finish` with what
/// is given for that prime.
#[allow(clippy::too_many_arguments)]
pub(super) fn divide<T: Send>(
    params: &Params,
    level: usize,
    width: usize,
    rescale: bool,
    extended: &mut [u64],
    workers: &mut Rooms,
    outs: impl Iterator<Item = T> + Send,
    finish: impl Fn(&[u64], T) + Sync,
) {
    let row = width * params.degree();
    let division = Division::new(params, level, rescale);
    let primes = params.extended(level);
    let (chain, rest) = extended[..primes.len() * row].split_at_mut(division.kept * row);
    let length = rest.len();
    let tasks = primes
        .enumerate()
        .skip(division.kept)
        .zip(rest.chunks_exact_mut(row));
    workers.for_each(length, tasks, |((index, prime), words), _| {
        division.source(params, index, prime, words);
    });
    let (length, rest) = (chain.len(), &*rest);
    let tasks = chain.chunks_exact_mut(row).zip(outs).enumerate();
    workers.for_each(length, tasks, |(prime, (words, out)), room| {
        division.target(params, prime, rest, words, &mut room[..row]);
        finish(words, out);
    });
}

/// Divides polynomials at a level by its prime, rounding, and drops the level.
pub(super) fn rescale(params: &Params, level: usize, parts: &mut [Poly<Eval>], room: &mut Room) {
    let degree = params.degree();
    let conversion = &params.tables().rescale[level];
    let inverses = &params.tables().last_inverse[level];
    for part in parts {
        let (chain, last) = part.words_mut().split_at_mut(level * degree);
        conversion.source(0, params.limb(level), last);
        let (length, last) = (chain.len(), &*last);
        let tasks = chain.chunks_exact_mut(degree).enumerate();
        room.workers.for_each(length, tasks, |(prime, words), room| {
            let limb = params.limb(prime);
            let room = &mut room[..degree];
            conversion.target(prime, limb, last, room);
            simd::sub_scale(words, room, inverses[prime], limb.reducer());
        });
        part.truncate(params.basis(level - 1));
    }
}

const _: () = assert!(MAX_DIGIT < simd::MAX_PRODUCTS);

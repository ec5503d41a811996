//! What a service allows: whom, how often, how much.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Offer, Report};

const MIB: u64 = 1 << 20;

/// Limits of a service. Bytes are bytes here; the policy file writes MiB.
#[derive(Debug, Clone, PartialEq)]
pub struct Limits {
    /// Clients by name; without a list every member of the consortium.
    pub clients: Option<Vec<String>>,
    /// For a client that is not named.
    pub quota: Quota,
    /// Clients with a quota of their own.
    pub quotas: BTreeMap<String, Quota>,
    /// Largest evaluation keys, bytes.
    pub keys: u64,
    /// Largest request, bytes.
    pub request: u64,
    /// Connections at a time.
    pub connections: usize,
    /// Connections of one client at a time.
    pub connections_per_client: usize,
    /// Decoded keys that are kept, bytes.
    pub cached_keys: u64,
    /// Uploads, waiting requests and answers together, bytes.
    pub transfers: u64,
    /// How long nothing may come from a client that has to send or to take something; how long what it has begun is
    /// kept after it is gone.
    pub idle: Duration,
    /// Evaluations at a time.
    pub workers: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            clients: None,
            quota: Quota::default(),
            quotas: BTreeMap::new(),
            keys: 1024 * MIB,
            request: 64 * MIB,
            connections: 256,
            connections_per_client: 8,
            cached_keys: 4096 * MIB,
            transfers: 2048 * MIB,
            idle: Duration::from_secs(60),
            workers: 1,
        }
    }
}

/// How many rows one client may ask about. A request counts as the rows that it can carry.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Quota {
    /// Rows in a minute.
    pub per_minute: Option<u64>,
    /// Rows ever: what bounds the extraction of the model.
    pub budget: Option<u64>,
}

/// A limit under which a model could never be asked: the key of the policy file, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("is {actual}, and model {model:?} needs at least {least}: {why}")]
pub struct LimitError {
    /// The key.
    pub key: &'static str,
    /// Its value, in the unit of the key.
    pub actual: u64,
    /// What the model needs, in the same unit.
    pub least: u64,
    /// The model.
    pub model: String,
    /// What for.
    pub why: &'static str,
}

impl Limits {
    /// The quota of a client.
    pub fn quota(&self, client: &str) -> Quota {
        self.quotas.get(client).copied().unwrap_or(self.quota)
    }

    /// Whether a client is served at all.
    pub fn admits(&self, client: &str) -> bool {
        self.clients
            .as_ref()
            .is_none_or(|clients| clients.iter().any(|known| known == client))
    }

    /// Refuses limits under which a model that is offered could never be asked.
    ///
    /// # Errors
    /// The first such limit.
    pub fn check(&self, offer: &Offer) -> Result<(), LimitError> {
        let sizes = &offer.sizes;
        let workers = self.workers as u64;
        let mut each = vec![
            ("keys_mib", self.keys, sizes.keys, "its evaluation keys"),
            ("request_mib", self.request, sizes.request, "one request"),
            (
                "cached_keys_mib",
                self.cached_keys,
                sizes.keys_memory * (workers + 1),
                "the decoded keys of every worker and of one client more",
            ),
            (
                "transfers_mib",
                self.transfers,
                2 * sizes.keys.max(sizes.request + sizes.answer + Report::OVERHEAD),
                "twice one upload, or twice one request with its answer",
            ),
            ("connections", self.connections as u64, 1, "a client"),
            (
                "connections_per_client",
                self.connections_per_client as u64,
                1,
                "a client",
            ),
            ("workers", workers, 1, "somebody to evaluate"),
        ];
        for quota in self.quotas.values().chain([&self.quota]) {
            let rows = [("per_minute", quota.per_minute), ("budget", quota.budget)];
            let limited = rows.into_iter().filter_map(|(key, limit)| Some((key, limit?)));
            each.extend(
                limited.map(|(key, limit)| (key, limit, offer.rows, "the rows that one request can carry")),
            );
        }
        let unmet = each.into_iter().find(|(_, actual, least, _)| actual < least);
        unmet.map_or(Ok(()), |(key, actual, least, why)| {
            // Of a key in MiB both are said in MiB: rounded so that what is said is enough.
            let unit = if key.ends_with("_mib") { 1 << 20 } else { 1 };
            Err(LimitError {
                key,
                actual: actual / unit,
                least: least.div_ceil(unit),
                model: offer.model.clone(),
                why,
            })
        })
    }
}

/// What a client has asked.
#[derive(Debug, Clone)]
pub(super) struct Meter {
    quota: Quota,
    /// Rows so far.
    pub used: u64,
    /// Rows that may be asked about now, of those of a minute, in rows times 60,000.
    tokens: u64,
    filled: Duration,
}

/// Why a request is not allowed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Denied {
    pub reason: String,
    pub retry: Option<Duration>,
}

const MINUTE_MS: u64 = 60_000;

impl Meter {
    pub fn new(quota: Quota, used: u64, now: Duration) -> Self {
        Self {
            quota,
            used,
            tokens: quota.per_minute.unwrap_or(0).saturating_mul(MINUTE_MS),
            filled: now,
        }
    }

    /// Whether so many rows are allowed now; nothing is charged.
    pub fn allows(&mut self, rows: u64, now: Duration) -> Result<(), Denied> {
        if let Some(budget) = self.quota.budget
            && self.used.saturating_add(rows) > budget
        {
            return Err(Denied {
                reason: format!(
                    "the budget is spent: {} of {budget} rows were asked about, and a request counts as {rows}",
                    self.used
                ),
                retry: None,
            });
        }
        let Some(rate) = self.quota.per_minute else {
            return Ok(());
        };
        let passed = now.saturating_sub(self.filled).as_millis();
        let passed = u64::try_from(passed).unwrap_or(u64::MAX);
        let full = rate.saturating_mul(MINUTE_MS);
        self.tokens = self.tokens.saturating_add(passed.saturating_mul(rate)).min(full);
        self.filled = now;
        let wanted = rows.saturating_mul(MINUTE_MS);
        if self.tokens >= wanted {
            return Ok(());
        }
        let wait = (wanted - self.tokens).div_ceil(rate.max(1));
        Err(Denied {
            reason: format!("more than {rate} rows in a minute, and a request counts as {rows}"),
            retry: Some(Duration::from_millis(wait)),
        })
    }

    /// Charges rows that [`Meter::allows`] allowed.
    pub fn charge(&mut self, rows: u64) {
        self.used = self.used.saturating_add(rows);
        self.tokens = self.tokens.saturating_sub(rows.saturating_mul(MINUTE_MS));
    }
}

#[cfg(test)]
mod tests {
    use super::super::toy::Toy;
    use super::super::{Hosted, Offer};
    use super::*;

    #[test]
    fn a_minute_refills_and_a_budget_does_not() {
        let quota = Quota {
            per_minute: Some(6),
            budget: Some(9),
        };
        let at = Duration::from_secs;
        let mut meter = Meter::new(quota, 0, at(0));
        for _ in 0..3 {
            meter.allows(2, at(1)).unwrap();
            meter.charge(2);
        }
        let denied = meter.allows(2, at(1)).unwrap_err();
        // Two rows of six a minute take twenty seconds.
        assert_eq!(denied.retry, Some(at(20)));
        assert!(meter.allows(2, at(20)).is_err());
        meter.allows(2, at(21)).unwrap();
        meter.charge(2);
        let spent = meter.allows(2, at(1000)).unwrap_err();
        assert_eq!((spent.retry, meter.used), (None, 8));
        assert!(spent.reason.contains("8 of 9"), "{}", spent.reason);
    }

    #[test]
    fn limits_under_which_a_model_could_never_be_asked_are_named() {
        let offer: Offer = Toy::new("toy").offer();
        let limits = Limits::default();
        limits.check(&offer).unwrap();
        let key = |limits: Limits| limits.check(&offer).unwrap_err().key;
        assert_eq!(
            key(Limits {
                keys: 10,
                ..limits.clone()
            }),
            "keys_mib"
        );
        let mut large = offer.clone();
        large.sizes.keys = (3 << 20) + 1;
        let of_bytes = Limits {
            keys: 2 << 20,
            ..limits.clone()
        };
        let error = of_bytes.check(&large).unwrap_err();
        assert_eq!((error.actual, error.least), (2, 4));
        assert_eq!(
            key(Limits {
                cached_keys: offer.sizes.keys_memory,
                ..limits.clone()
            }),
            "cached_keys_mib"
        );
        assert_eq!(
            key(Limits {
                workers: 0,
                ..limits.clone()
            }),
            "workers"
        );
        let quota = Quota {
            per_minute: Some(offer.rows - 1),
            budget: None,
        };
        assert_eq!(key(Limits { quota, ..limits }), "per_minute");
    }
}

//! Counted bytes.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::connection::Shared;

/// Bytes of all connections of a process, living and ended. Clones share the counters.
#[derive(Clone, Debug, Default)]
pub struct Traffic(Arc<Counters>);

#[derive(Debug, Default)]
struct Counters {
    frames_sent: AtomicU64,
    frame_bytes_sent: AtomicU64,
    frames_received: AtomicU64,
    frame_bytes_received: AtomicU64,
    udp_sent: AtomicU64,
    udp_received: AtomicU64,
    living: Mutex<Vec<Weak<Shared>>>,
}

/// Counters at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TrafficTotals {
    /// Frames handed to QUIC.
    pub frames_sent: u64,
    /// Their bytes, headers included.
    pub frame_bytes_sent: u64,
    /// Complete frames received.
    pub frames_received: u64,
    /// Their bytes, headers included.
    pub frame_bytes_received: u64,
    /// Bytes of UDP payloads sent: frames, acknowledgements, handshakes, retransmissions.
    pub udp_sent: u64,
    /// Bytes of UDP payloads received.
    pub udp_received: u64,
}

impl Traffic {
    /// All counters as of now.
    #[must_use]
    pub fn totals(&self) -> TrafficTotals {
        let counters = &*self.0;
        let mut totals = TrafficTotals {
            frames_sent: counters.frames_sent.load(Ordering::Relaxed),
            frame_bytes_sent: counters.frame_bytes_sent.load(Ordering::Relaxed),
            frames_received: counters.frames_received.load(Ordering::Relaxed),
            frame_bytes_received: counters.frame_bytes_received.load(Ordering::Relaxed),
            udp_sent: 0,
            udp_received: 0,
        };
        // A connection that ends moves its bytes under this lock.
        let living = counters.living.lock().unwrap_or_else(PoisonError::into_inner);
        totals.udp_sent = counters.udp_sent.load(Ordering::Relaxed);
        totals.udp_received = counters.udp_received.load(Ordering::Relaxed);
        for shared in living.iter().filter_map(Weak::upgrade) {
            let (sent, received) = shared.udp();
            totals.udp_sent += sent;
            totals.udp_received += received;
        }
        totals
    }

    pub(super) fn sent(&self, bytes: usize) {
        self.0.frames_sent.fetch_add(1, Ordering::Relaxed);
        self.0.frame_bytes_sent.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(super) fn received(&self, bytes: usize) {
        self.0.frames_received.fetch_add(1, Ordering::Relaxed);
        self.0
            .frame_bytes_received
            .fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(super) fn begins(&self, shared: &Arc<Shared>) {
        let mut living = self.0.living.lock().unwrap_or_else(PoisonError::into_inner);
        living.retain(|shared| shared.strong_count() > 0);
        living.push(Arc::downgrade(shared));
    }

    pub(super) fn ends(&self, (sent, received): (u64, u64)) {
        self.0.udp_sent.fetch_add(sent, Ordering::Relaxed);
        self.0.udp_received.fetch_add(received, Ordering::Relaxed);
    }
}

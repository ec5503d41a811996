//! How QUIC is tuned.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use quinn::{EndpointConfig, IdleTimeout, MtuDiscoveryConfig, TransportConfig, VarInt};
use serde::{Deserialize, Serialize};

/// The `[transport]` table of a configuration file. Every key may be left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Transport {
    /// Largest UDP payload that path MTU discovery tries, in bytes, 1200 to 65000. By default 1452, which
    /// fits an Ethernet, and on loopback as much as measured best.
    pub mtu: Option<u16>,
    /// Seconds without any packet after which a connection is lost; 30 by default. Packets are sent every
    /// 5 s also when there is nothing to say.
    pub idle_s: Option<u32>,
    /// Seconds to wait for an answer when connecting; 10 by default.
    pub connect_s: Option<u32>,
}

const KEEP_ALIVE: Duration = Duration::from_secs(5);
const IDLE_S: u32 = 30;
const CONNECT_S: u32 = 10;
/// Bytes in flight on the one stream: 1.3 Gbit/s at a round trip of 100 ms.
const STREAM_WINDOW: u32 = 16 << 20;
/// Bytes that a sender hands to QUIC before it waits.
const SEND_WINDOW: u64 = 16 << 20;
/// IPv4 and IPv6 headers fit under an Ethernet's 1500.
const ETHERNET: u16 = 1452;
/// See `docs/transport.md` for the measurement.
const LOOPBACK: u16 = 16_384;
const SMALLEST: u16 = 1200;
const LARGEST: u16 = 65_000;

impl Transport {
    /// What is wrong with the numbers, by key.
    ///
    /// # Errors
    /// The key and one sentence.
    pub fn check(&self) -> Result<(), (&'static str, String)> {
        match self {
            Self { mtu: Some(mtu), .. } if !(SMALLEST..=LARGEST).contains(mtu) => {
                Err(("mtu", format!("is {mtu}, expected {SMALLEST} to {LARGEST} bytes")))
            }
            Self {
                idle_s: Some(idle), ..
            } if !(10..=3600).contains(idle) => {
                Err(("idle_s", format!("is {idle}, expected 10 to 3600 seconds")))
            }
            Self {
                connect_s: Some(0), ..
            } => Err(("connect_s", "is 0, expected at least 1 second".to_owned())),
            _ => Ok(()),
        }
    }

    pub(super) fn connect_timeout(&self) -> Duration {
        Duration::from_secs(self.connect_s.unwrap_or(CONNECT_S).into())
    }

    /// For a path that leads to, or begins at, this address.
    pub(super) fn config(&self, ip: IpAddr) -> Arc<TransportConfig> {
        let mut discovery = MtuDiscoveryConfig::default();
        discovery.upper_bound(self.upper_bound(ip));
        let idle = u64::from(self.idle_s.unwrap_or(IDLE_S)) * 1000;
        let mut config = TransportConfig::default();
        config
            .keep_alive_interval(Some(KEEP_ALIVE))
            .max_idle_timeout(VarInt::from_u64(idle).ok().map(IdleTimeout::from))
            .max_concurrent_bidi_streams(VarInt::from_u32(1))
            .max_concurrent_uni_streams(VarInt::from_u32(1))
            .datagram_receive_buffer_size(None)
            .stream_receive_window(VarInt::from_u32(STREAM_WINDOW))
            .receive_window(VarInt::from_u32(STREAM_WINDOW))
            .send_window(SEND_WINDOW)
            .mtu_discovery_config(Some(discovery));
        Arc::new(config)
    }

    fn upper_bound(&self, ip: IpAddr) -> u16 {
        let default = if ip.is_loopback() { LOOPBACK } else { ETHERNET };
        self.mtu.unwrap_or(default).clamp(SMALLEST, LARGEST)
    }

    /// An endpoint accepts whatever the other side's discovery may try.
    pub(super) fn endpoint() -> EndpointConfig {
        let mut config = EndpointConfig::default();
        // The only error is a size below 1200.
        let _ = config.max_udp_payload_size(LARGEST);
        config
    }
}

//! How QUIC is tuned.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use quinn::udp::UdpSocketState;
use quinn::{EndpointConfig, IdleTimeout, MtuDiscoveryConfig, TransportConfig, VarInt};
use serde::{Deserialize, Serialize};

/// The `[transport]` table of a configuration file. Every key may be left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Transport {
    /// Largest UDP payload that path MTU discovery tries, in bytes, 1200 to 16000. By default 1452, which
    /// fits an Ethernet, and 6500 on loopback, where it is taken as given.
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
/// `benches/loopback.rs` on two busy cores: 270 MB/s at 1452 bytes, 900 at 4096, 1000 at 6500, 490 at 9000.
const LOOPBACK: u16 = SEGMENTED;
const SOCKET_BUFFER: usize = 4 << 20;
/// quinn hands up to ten packets to the system at once, which refuses more than 64 KiB and says nothing.
const SEGMENTED: u16 = 6_500;
const SMALLEST: u16 = 1200;
/// Lengths in handshake packets have 14 bits.
const LARGEST: u16 = 16_000;

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
            .send_window(SEND_WINDOW);
        if ip.is_loopback() {
            // The size is known, so nothing is searched for. A search is also easily misled here: what overflows
            // a socket's buffer in a burst of large packets looks like a path that swallows them.
            let mtu = self.mtu.unwrap_or(LOOPBACK).clamp(SMALLEST, LARGEST);
            config.initial_mtu(mtu).min_mtu(mtu).mtu_discovery_config(None);
            config.enable_segmentation_offload(mtu <= SEGMENTED);
        } else {
            let mut discovery = MtuDiscoveryConfig::default();
            let mtu = self.mtu.unwrap_or(ETHERNET).clamp(SMALLEST, LARGEST);
            discovery.upper_bound(mtu);
            config
                .mtu_discovery_config(Some(discovery))
                .enable_segmentation_offload(mtu <= SEGMENTED);
        }
        Arc::new(config)
    }

    /// A UDP socket whose buffers hold a burst of a fat link, as far as the system allows
    /// (`net.core.rmem_max` of Linux); its default of 208 KiB loses packets at a few hundred MB/s.
    pub(super) fn socket(address: SocketAddr) -> io::Result<UdpSocket> {
        let socket = UdpSocket::bind(address)?;
        let state = UdpSocketState::new((&socket).into())?;
        // A smaller buffer is slower and no error.
        let _ = state.set_recv_buffer_size((&socket).into(), SOCKET_BUFFER);
        let _ = state.set_send_buffer_size((&socket).into(), SOCKET_BUFFER);
        Ok(socket)
    }

    /// An endpoint accepts whatever the other side's discovery may try.
    pub(super) fn endpoint() -> EndpointConfig {
        let mut config = EndpointConfig::default();
        // The only error is a size below 1200.
        let _ = config.max_udp_payload_size(LARGEST);
        config
    }
}

//! Which parties are connected, and when each is asked again.

use super::output::Absence;
use crate::time::Millis;

/// How long the coordinator waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// For all parties to enrol; after it the run starts with those who did, if they are enough.
    pub enrol: Millis,
    /// For a connected party to answer in one phase. It includes counting, so it grows with the data.
    pub phase: Millis,
    /// For a disconnected party to come back before the others go on without it.
    pub grace: Millis,
    /// Before a request is sent again to a connected party; doubled each time within a phase.
    pub resend: Millis,
}

/// How long a party may take to notice that its coordinator is gone: a connection's idle time by default.
const UNNOTICED_MS: u64 = 30_000;

impl Default for Timeouts {
    /// Ten minutes to enrol, an hour to count, half a minute to reconnect, asked again after five seconds.
    fn default() -> Self {
        Self {
            enrol: Millis(600_000),
            phase: Millis(3_600_000),
            grace: Millis(30_000),
            resend: Millis(5_000),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Link {
    Never,
    Up,
    Down { since: Millis },
}

/// What the coordinator knows about one party's connection and position.
#[derive(Clone, Debug)]
pub(super) struct Presence {
    link: Link,
    /// The version agreed in the last `Hello`, if there was one.
    pub(super) version: Option<u16>,
    /// The party has shown that it holds the list of participants.
    pub(super) oriented: bool,
    /// The party has shown that it knows who is joined.
    pub(super) joined: bool,
    /// The party has shown that it holds the totals of so many steps.
    pub(super) steps_known: usize,
    resend_at: Millis,
    interval: u64,
}

impl Presence {
    pub(super) fn new() -> Self {
        Self {
            link: Link::Never,
            version: None,
            oriented: false,
            joined: false,
            steps_known: 0,
            resend_at: Millis(0),
            interval: 0,
        }
    }

    /// After a restart of the coordinator everybody has to come back, and has not even noticed yet: the grace period
    /// begins when they have.
    pub(super) fn restarted(now: Millis) -> Self {
        Self {
            link: Link::Down {
                since: now.plus(UNNOTICED_MS),
            },
            ..Self::new()
        }
    }

    pub(super) fn connected(&mut self) {
        self.link = Link::Up;
    }

    pub(super) fn disconnected(&mut self, now: Millis) {
        if self.link == Link::Up {
            self.link = Link::Down { since: now };
        }
    }

    pub(super) fn is_connected(&self) -> bool {
        self.link == Link::Up
    }

    /// Away for longer than the grace period, or never here.
    pub(super) fn is_lost(&self, grace: Millis, now: Millis) -> bool {
        match self.link {
            Link::Never => true,
            Link::Up => false,
            Link::Down { since } => now.0 >= since.0.saturating_add(grace.0),
        }
    }

    /// When a party that is away will count as lost.
    pub(super) fn lost_at(&self, grace: Millis) -> Option<Millis> {
        match self.link {
            Link::Down { since } => Some(Millis(since.0.saturating_add(grace.0))),
            Link::Never | Link::Up => None,
        }
    }

    pub(super) fn absence(&self, now: Millis) -> Absence {
        match self.link {
            Link::Never => Absence::NeverConnected,
            Link::Up => Absence::Silent,
            Link::Down { since } => Absence::Disconnected {
                for_ms: now.0.saturating_sub(since.0),
            },
        }
    }

    /// A request goes out for the first time: the next one is due after the plain interval.
    pub(super) fn asked(&mut self, timeouts: &Timeouts, now: Millis) {
        self.interval = timeouts.resend.0.max(1);
        self.resend_at = Millis(now.0.saturating_add(self.interval));
    }

    /// A request goes out again. Doubling keeps a slow link from carrying the same large vector many times.
    pub(super) fn asked_again(&mut self, timeouts: &Timeouts, now: Millis) {
        let longest = (timeouts.phase.0 / 4).max(timeouts.resend.0).max(1);
        self.interval = self.interval.saturating_mul(2).clamp(1, longest);
        self.resend_at = Millis(now.0.saturating_add(self.interval));
    }

    pub(super) fn resend_at(&self) -> Millis {
        self.resend_at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_party_is_lost_when_it_has_been_away_for_the_grace_period() {
        let (grace, mut presence) = (Millis(100), Presence::new());
        assert!(presence.is_lost(grace, Millis(0)), "never here");
        presence.connected();
        assert!(!presence.is_lost(grace, Millis(1_000_000)));
        presence.disconnected(Millis(50));
        // A second notice of the same end does not begin the grace period anew.
        presence.disconnected(Millis(149));
        assert!(!presence.is_lost(grace, Millis(149)));
        assert!(presence.is_lost(grace, Millis(150)));
        assert_eq!(presence.lost_at(grace), Some(Millis(150)));
        assert_eq!(
            presence.absence(Millis(150)),
            Absence::Disconnected { for_ms: 100 }
        );
    }

    #[test]
    fn repeated_requests_are_ever_rarer_within_a_phase() {
        let timeouts = Timeouts {
            phase: Millis(40_000),
            resend: Millis(1_000),
            ..Timeouts::default()
        };
        let mut presence = Presence::new();
        presence.asked(&timeouts, Millis(0));
        let mut times = vec![presence.resend_at().0];
        for _ in 0..5 {
            presence.asked_again(&timeouts, presence.resend_at());
            times.push(presence.resend_at().0);
        }
        assert_eq!(times, [1_000, 3_000, 7_000, 15_000, 25_000, 35_000]);
        presence.asked(&timeouts, Millis(40_000));
        assert_eq!(
            presence.resend_at(),
            Millis(41_000),
            "the next phase begins with the plain interval"
        );
    }
}

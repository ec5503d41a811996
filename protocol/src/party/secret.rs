//! The one secret of a round, and all that derives from it.

use hedgerow_crypto::mask::pairwise::MaskSecret;
use hedgerow_crypto::mask::self_mask::SelfMaskSeed;
use hedgerow_crypto::mask::shamir::{self, ShamirError, Share};
use hedgerow_crypto::seal::SealingSecret;
use hedgerow_crypto::seed::Seed;
use rand_core::CryptoRng;

use crate::ids::PartyId;

/// Random once per round and party; stored before anything that depends on it is sent.
pub(super) struct RoundSecret(Seed);

impl RoundSecret {
    pub(super) fn random(rng: &mut impl CryptoRng) -> Self {
        Self(Seed::random(rng))
    }

    pub(super) fn from_seed(seed: Seed) -> Self {
        Self(seed)
    }

    pub(super) fn seed(&self) -> &Seed {
        &self.0
    }

    /// Opens shares that are sealed to this party. Never shared, never reconstructed.
    pub(super) fn sealing(&self) -> SealingSecret {
        SealingSecret::from_seed(&self.0.derive("sealing key", &[]))
    }

    fn mask_seed(&self) -> Seed {
        self.0.derive("mask key", &[])
    }

    pub(super) fn mask(&self) -> MaskSecret {
        MaskSecret::from_seed(&self.mask_seed())
    }

    pub(super) fn self_mask(&self) -> SelfMaskSeed {
        SelfMaskSeed::from_seed(self.0.derive("self mask", &[]))
    }

    /// The generator of this party's share of the noise.
    pub(super) fn noise(&self) -> impl CryptoRng + use<> {
        self.0.derive("noise", &[]).rng()
    }

    /// The pseudorandom vector that an aggregator holds for this party.
    pub(super) fn aggregator_seed(&self, aggregator: &PartyId) -> Seed {
        self.0.derive("aggregator", aggregator.as_str().as_bytes())
    }

    /// The randomness of all answers of a joined round.
    pub(super) fn answers(&self) -> Seed {
        self.0.derive("join answers", &[])
    }

    /// Shares of the mask key and of the self-mask seed, in the order of holders. The polynomials are bound to
    /// the list of keys, so that two lists could never give two points of one polynomial at one index.
    pub(super) fn split(
        &self,
        threshold: usize,
        holders: usize,
        keys: &[u8],
    ) -> Result<Vec<Held>, ShamirError> {
        let mut rng = self.0.derive("shares", keys).rng();
        let mask_key = shamir::split(&self.mask_seed(), threshold, holders, &mut rng)?;
        let self_mask = shamir::split(self.self_mask().seed(), threshold, holders, &mut rng)?;
        Ok(mask_key
            .into_iter()
            .zip(self_mask)
            .map(|(mask_key, self_mask)| Held { mask_key, self_mask })
            .collect())
    }
}

/// Random once per joined run and party; stored before anything that depends on it is sent, so that whatever is
/// asked for again is made again, byte for byte.
#[derive(Clone)]
pub(super) struct RunSecret(Seed);

impl RunSecret {
    pub(super) fn random(rng: &mut impl CryptoRng) -> Self {
        Self(Seed::random(rng))
    }

    pub(super) fn from_seed(seed: Seed) -> Self {
        Self(seed)
    }

    pub(super) fn seed(&self) -> &Seed {
        &self.0
    }

    /// Seals relayed chunks.
    pub(super) fn channel(&self) -> SealingSecret {
        SealingSecret::from_seed(&self.0.derive("channel", &[]))
    }

    /// Blinds the own keys towards one counterpart.
    pub(super) fn alignment(&self, peer: &PartyId) -> Seed {
        self.0.derive("alignment", peer.as_str().as_bytes())
    }

    /// The key pair under which attributes are encrypted for one row party.
    pub(super) fn attribute_key(&self, peer: &PartyId) -> Seed {
        self.0.derive("attribute key", peer.as_str().as_bytes())
    }

    /// The key pair under which hats or derivatives are encrypted for one counterpart.
    pub(super) fn gradient_key(&self, peer: &PartyId) -> Seed {
        self.0.derive("gradient key", peer.as_str().as_bytes())
    }

    /// The key pair under which profiles for scores are encrypted for one row party.
    pub(super) fn score_key(&self, peer: &PartyId) -> Seed {
        self.0.derive("score key", peer.as_str().as_bytes())
    }

    /// The randomness of scores with one counterpart.
    pub(super) fn scores(&self, peer: &PartyId) -> Seed {
        self.0.derive("scores", peer.as_str().as_bytes())
    }

    /// The randomness of these encryptions.
    pub(super) fn encryption(&self, peer: &PartyId) -> Seed {
        self.0.derive("encryption", peer.as_str().as_bytes())
    }
}

/// The two shares that one party holds of another's (or its own) secrets. At most one of them is ever opened.
pub(super) struct Held {
    pub(super) mask_key: Share,
    pub(super) self_mask: Share,
}

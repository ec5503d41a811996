//! Configuration and participants: what a party checks before any round.

use hedgerow_crypto::hash::Digest;
use rand_core::CryptoRng;

use super::joined::Joined;
use super::ledger::short_of;
use super::overlap;
use super::run::Run;
use super::secret::RunSecret;
use super::{
    Enrolment, Output, PROTOCOL_VERSIONS, PartyMachine, PartyProgress, Phase, broken, equivocation, internal,
};
use crate::binding;
use crate::check;
use crate::config::{ConfigError, RunConfig};
use crate::growth::Progression;
use crate::privacy;
use crate::refusal::Refusal;
use crate::roster::{Roster, RosterError};
use crate::wire::{ToCoordinator, ToParty};

/// A configuration that this party has signed.
pub(super) struct Enrolled {
    pub(super) config: RunConfig,
    pub(super) digest: Digest,
    bytes: Vec<u8>,
    /// The stored answer to the configuration.
    response: ToCoordinator,
    /// The secret of a joined run.
    secret: Option<RunSecret>,
    /// Begun while others still enrol, because the structure of many trees takes a while; moved on to the run.
    growth: Option<Box<Progression>>,
}

impl PartyMachine {
    pub(super) fn welcome(&mut self, request: ToParty, rng: &mut impl CryptoRng) -> Result<(), Refusal> {
        let ToParty::Welcome {
            version,
            config: bytes,
        } = &request
        else {
            return Ok(());
        };
        match &self.phase {
            Phase::Greeting => {}
            Phase::Enrolled(enrolled) => return self.welcome_again(enrolled.answer_to(bytes)?),
            Phase::Running(run) => return self.welcome_again(run.enrolled.answer_to(bytes)?),
            Phase::Ended => return Ok(()),
        }
        // CHK-007: never speak a version that was not offered.
        if !PROTOCOL_VERSIONS.contains(version) {
            return Err(Refusal::Config {
                check: check::VERSION,
                detail: format!("protocol version {version} was not offered"),
            });
        }
        let enrolled = self.accept(bytes, || RunSecret::random(rng))?;
        self.can_pay(&enrolled.config)?;
        self.me
            .ledger
            .could_align(&enrolled.config, &self.me.party, &self.me.policy)?;
        if let Some(secret) = &enrolled.secret {
            self.outputs
                .push_back(Output::StoreRunSecret(enrolled.config.run, secret.seed().clone()));
        }
        let response = enrolled.response.clone();
        self.phase = Phase::Enrolled(Box::new(enrolled));
        self.exchange(request, Some(response));
        self.progress(PartyProgress::Enrolled);
        Ok(())
    }

    fn welcome_again(&mut self, response: ToCoordinator) -> Result<(), Refusal> {
        self.send(response);
        Ok(())
    }

    /// Everything but the ledger, which a restored run has paid from already.
    pub(super) fn accept(
        &self,
        bytes: &[u8],
        secret: impl FnOnce() -> RunSecret,
    ) -> Result<Enrolled, Refusal> {
        let config = RunConfig::from_bytes(bytes).map_err(|error| Refusal::Config {
            check: match error {
                ConfigError::NotCanonical | ConfigError::Unreadable { .. } => check::CONFIG_CANONICAL,
                _ => check::CONFIG_BOUNDS,
            },
            detail: error.to_string(),
        })?;
        // CHK-003: a run of others is none of ours.
        if !config.lists(&self.me.party) {
            return Err(Refusal::Config {
                check: check::CONFIG_LISTS_ME,
                detail: format!("{} is not among its parties", self.me.party),
            });
        }
        // CHK-004: the own policy.
        self.me.policy.check(&config)?;
        let growth = Progression::start(&config).map_err(internal)?;
        let digest = binding::config_digest(bytes);
        let secret = config.join().map(|_| secret());
        let channel = secret.as_ref().map(|secret| secret.channel().public());
        let message = binding::enrolment_message(&digest, &self.me.party, channel.as_ref());
        let signature = self.me.identity.sign(binding::SIGN_ENROLMENT, &message);
        let response = ToCoordinator::Enrol {
            certificate: self.me.certificate.clone(),
            signature,
            channel,
        };
        Ok(Enrolled {
            config,
            digest,
            bytes: bytes.to_vec(),
            response,
            secret,
            growth: Some(Box::new(growth)),
        })
    }

    /// The ledger could pay for the whole plan of the run.
    fn can_pay(&self, config: &RunConfig) -> Result<(), Refusal> {
        // CHK-005: said before the run begins, not in its middle.
        let mut costs = Vec::new();
        for planned in privacy::plan(config).map_err(internal)? {
            let mechanism = privacy::mechanism(config, &planned).map_err(internal)?;
            costs.push(mechanism.renyi_cost());
        }
        self.me.ledger.could_pay(&costs).map_err(short_of)
    }

    pub(super) fn participants(&mut self, request: ToParty) -> Result<(), Refusal> {
        let ToParty::Participants { enrolments } = &request else {
            return Ok(());
        };
        match std::mem::replace(&mut self.phase, Phase::Ended) {
            Phase::Enrolled(enrolled) => match self.run(enrolled, enrolments) {
                Ok(run) => {
                    let count = run.roster.len();
                    // Before the first message of an alignment.
                    let paid = overlap::payments(&run.enrolled.config, &self.me.party, &self.me.policy);
                    self.outputs.extend(paid.into_iter().map(Output::ChargeOverlap));
                    self.phase = Phase::Running(Box::new(run));
                    self.outputs
                        .push_back(Output::Progress(PartyProgress::Participants { count }));
                    self.exchange(request, None);
                    Ok(())
                }
                Err((enrolled, refusal)) => {
                    self.phase = Phase::Enrolled(enrolled);
                    Err(refusal)
                }
            },
            Phase::Running(run) => {
                // CHK-013: one run, one list.
                let same =
                    binding::participants_digest(run.enrolled.config.run, enrolments) == *run.roster.digest();
                self.phase = Phase::Running(run);
                if same {
                    Ok(())
                } else {
                    Err(equivocation(
                        check::ONE_PARTICIPANTS,
                        None,
                        "list of participants",
                    ))
                }
            }
            phase => {
                self.phase = phase;
                Ok(())
            }
        }
    }

    /// Checks the participants and goes on to the growth's first query.
    pub(super) fn run(
        &self,
        mut enrolled: Box<Enrolled>,
        enrolments: &[Enrolment],
    ) -> Result<Run, (Box<Enrolled>, Refusal)> {
        let checked = self.check_participants(&enrolled, enrolments).and_then(|roster| {
            let growth = enrolled
                .growth
                .as_deref()
                .ok_or_else(|| internal("the growth has begun twice"))?;
            Ok((roster, self.join(&enrolled, growth, enrolments)?))
        });
        match (checked, enrolled.growth.take()) {
            (Ok((roster, joined)), Some(growth)) => Ok(Run::new(*enrolled, roster, *growth, joined)),
            (Ok(_), None) => Err((enrolled, internal("the growth has begun twice"))),
            (Err(refusal), growth) => {
                enrolled.growth = growth;
                Err((enrolled, refusal))
            }
        }
    }

    /// This party's part in the join of a joined run.
    fn join(
        &self,
        enrolled: &Enrolled,
        progression: &Progression,
        enrolments: &[Enrolment],
    ) -> Result<Option<Box<Joined>>, Refusal> {
        let (Some(secret), Some(query)) = (&enrolled.secret, progression.query()) else {
            return Ok(None);
        };
        let joined = Joined::new(
            &self.me.party,
            &enrolled.config,
            &enrolled.digest,
            secret.clone(),
            query,
            enrolments,
        )?;
        Ok(Some(Box::new(joined)))
    }

    fn check_participants(&self, enrolled: &Enrolled, enrolments: &[Enrolment]) -> Result<Roster, Refusal> {
        let roster = Roster::new(&enrolled.config, enrolments, self.me.verifier.as_ref()).map_err(
            |RosterError {
                 check,
                 culprit,
                 detail,
             }| broken(check, None, culprit.as_ref(), detail),
        )?;
        // CHK-010: this party as itself.
        let mine = enrolments
            .iter()
            .find(|enrolment| enrolment.party == self.me.party);
        let as_sent = mine.is_some_and(|mine| {
            matches!(&enrolled.response, ToCoordinator::Enrol { certificate, signature, channel }
                if *certificate == mine.certificate && *signature == mine.signature && *channel == mine.channel)
        });
        if !as_sent {
            return Err(broken(
                check::PARTICIPANTS_ME,
                None,
                None,
                "the list does not hold this party's own enrolment",
            ));
        }
        Ok(roster)
    }
}

impl Enrolled {
    /// With the answer that was given then, if this party gave it. Its certificate may have been renewed since.
    pub(super) fn with_stored(mut self, stored: ToCoordinator) -> Option<Self> {
        match (&self.response, &stored) {
            (ToCoordinator::Enrol { signature: mine, .. }, ToCoordinator::Enrol { signature: then, .. })
                if mine == then =>
            {
                self.response = stored;
                Some(self)
            }
            _ => None,
        }
    }

    /// The stored answer, if this is the configuration that it answers.
    fn answer_to(&self, bytes: &[u8]) -> Result<ToCoordinator, Refusal> {
        // CHK-006: one run, one configuration; CHK-045: the stored bytes.
        if self.bytes == bytes {
            Ok(self.response.clone())
        } else {
            Err(equivocation(check::ONE_CONFIG, None, "configuration"))
        }
    }
}

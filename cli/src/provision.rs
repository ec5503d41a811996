//! `hedgerow provision`: keys at home, certificates from the consortium. Thin over [`hedgerow_edge::provision`].

use crate::args::{Provision, Role};
use crate::error::{CliError, Result};
use hedgerow_edge::certificate::{Subject, now};
use hedgerow_edge::provision::{self, Review, Validity};
use hedgerow_protocol::ids::PartyId;
use std::path::Path;

/// How long the certificates of a simulation are valid, days.
const SIMULATED_DAYS: u32 = 30;

/// Runs the command.
///
/// # Errors
/// What [`hedgerow_edge::provision`] refuses.
pub fn run(command: &Provision) -> Result<()> {
    match command {
        Provision::Request { id, role, out } => {
            let id = party_id(id)?;
            let subject = match role {
                Role::Party => Subject::Party(id),
                Role::Coordinator => Subject::Coordinator(id),
            };
            let identity =
                provision::request(out, &subject).map_err(CliError::library("provision request"))?;
            let request = out.join(provision::REQUEST_FILE);
            println!(
                "made a key for {} in {}; it never leaves this folder",
                subject.uri(),
                out.display()
            );
            println!(
                "send {} to the consortium, and tell it this identity over another channel:",
                request.display()
            );
            println!("  {identity}");
        }
        Provision::Ca { name, out, days } => {
            let validity = Validity::days(*days).map_err(CliError::library("provision ca"))?;
            let digest =
                provision::create_ca(out, name, validity).map_err(CliError::library("provision ca"))?;
            println!(
                "made the authority of {name:?} in {}; keep {} off the network",
                out.display(),
                provision::CA_KEY_FILE
            );
            println!("fingerprint of ca.pem: {digest}");
        }
        Provision::Sign {
            ca,
            request,
            id,
            out,
            days,
        } => {
            let review = Review::read(request).map_err(CliError::library("provision sign"))?;
            let wanted = party_id(id)?;
            if review.subject().id() != &wanted {
                return Err(CliError::Config(format!(
                    "{}: asks for {:?}, and --id says {id:?}; nothing was signed",
                    request.display(),
                    review.subject().id().as_str()
                )));
            }
            let validity = Validity::days(*days).map_err(CliError::library("provision sign"))?;
            provision::sign(ca, &review, validity, out).map_err(CliError::library("provision sign"))?;
            println!(
                "signed {} for {days} days with the identity",
                review.subject().uri()
            );
            println!("  {}", review.identity());
            println!("send {} and ca.pem back", out.display());
        }
        Provision::Install {
            identity,
            certificate,
            ca,
        } => {
            let member = provision::install(identity, certificate, ca, now())
                .map_err(CliError::library("provision install"))?;
            println!("installed {} in {}", member.subject.uri(), identity.display());
        }
        Provision::AllInOne {
            parties,
            coordinator,
            out,
        } => {
            let parties: Vec<&str> = parties.iter().map(String::as_str).collect();
            all_in_one(out, coordinator, &parties)?;
            println!(
                "FOR SIMULATIONS ONLY: every private key of this consortium is in {}",
                out.display()
            );
        }
    }
    Ok(())
}

/// A throw-away authority and everybody's identity, one folder each under `out`.
///
/// # Errors
/// A name that is no id, or a folder that cannot be written.
pub fn all_in_one(out: &Path, coordinator: &str, parties: &[&str]) -> Result<()> {
    let parties = parties
        .iter()
        .map(|id| party_id(id))
        .collect::<Result<Vec<_>>>()?;
    let subjects = provision::subjects(&party_id(coordinator)?, &parties);
    let failed = || CliError::library("make the simulation's identities");
    let validity = Validity::days(SIMULATED_DAYS).map_err(failed())?;
    provision::all_in_one(out, "hedgerow simulation", &subjects, validity).map_err(failed())
}

fn party_id(id: &str) -> Result<PartyId> {
    PartyId::new(id).map_err(CliError::library(format!("id {id:?}")))
}

//! Why a party's process ends without a model.

use std::path::PathBuf;

use hedgerow_edge::certificate::Subject;
use hedgerow_edge::configfile::ConfigFileError;
use hedgerow_edge::files::FileError;
use hedgerow_edge::identity::IdentityFolderError;
use hedgerow_protocol::ids::PartyId;
use hedgerow_protocol::party::RestoreError;

use crate::data::DataError;
use crate::storage::StorageError;

/// Why a party's process ends without a model.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PartyError {
    /// `party.toml` or `policy.toml`.
    #[error(transparent)]
    Config(#[from] ConfigFileError),
    /// The identity folder.
    #[error(transparent)]
    Identity(#[from] IdentityFolderError),
    /// The certificate is somebody else's.
    #[error("{}: the id is {configured}, but the certificate in {} is that of {found}", .file.display(), .folder.display())]
    WrongIdentity {
        /// The configuration file.
        file: PathBuf,
        /// The identity folder.
        folder: PathBuf,
        /// The id in the configuration.
        configured: PartyId,
        /// Whom the certificate names.
        found: Subject,
    },
    /// The `[transport]` table.
    #[error("{}: transport.{key} {problem}", .file.display())]
    Transport {
        /// The configuration file.
        file: PathBuf,
        /// The key.
        key: &'static str,
        /// What is wrong.
        problem: String,
    },
    /// The data source.
    #[error(transparent)]
    Data(#[from] DataError),
    /// Journal or ledger.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The journal cannot be continued.
    #[error("{}: {source}", .state.display())]
    Restore {
        /// The state folder.
        state: PathBuf,
        /// Why.
        source: RestoreError,
    },
    /// This party refused the run.
    #[error("this party refused the run: {0}")]
    Refused(String),
    /// The coordinator ended the run.
    #[error("the coordinator ended the run: {0}")]
    Failed(String),
    /// Taking part is not possible.
    #[error("{0}")]
    Over(String),
    /// A model that its file format cannot hold, which growth does not make.
    #[error(transparent)]
    Model(#[from] hedgerow_forest::model::ModelError),
    /// Another file.
    #[error(transparent)]
    File(#[from] FileError),
    /// The operating system.
    #[error("signals cannot be handled: {0}")]
    System(#[from] std::io::Error),
}

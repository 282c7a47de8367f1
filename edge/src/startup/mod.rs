//! STARTUP: what has to be true before the first thread starts: data directory, limits of the
//! process, certificate, ports, and what the operator is told.

mod admin_token;
mod banner;
mod ca;
mod certificate;
mod certificate_source;
mod data_directory;
mod endpoints;
mod files;
mod policies;
mod ports;
mod prepare;
mod process_limits;

pub use admin_token::{ADMIN_TOKEN_FILE, AdminTokenError, AdminTokenFile};
pub use banner::{Banner, ConnectionStrings};
pub use ca::{DEVELOPMENT_CA_FILE, DEVELOPMENT_FILES, development_certificates};
pub use certificate::{CertificateError, ServerCertificate, configured_certificate};
pub use certificate_source::{CertificateSource, Fingerprint};
pub(crate) use data_directory::FORMAT_FILE;
pub use data_directory::{
    DataDirectory, DataDirectoryError, Layout, default_data_directory, layout_of,
};
pub use endpoints::Endpoints;
pub use files::NotWritten;
pub use policies::{KeyFiles, POLICIES_FILE, PolicyRecord};
pub use ports::{PortError, Ports, claim_ports};
pub use prepare::{Prepared, StartupError, prepare};
pub use process_limits::{
    DescriptorLimit, LOCKED_MEMORY_MIN, LockedMemoryTooSmall, catch_file_size_signal,
    check_locked_memory, raise_descriptor_limit,
};

#[cfg(test)]
mod test_directory;
#[cfg(test)]
pub(crate) use test_directory::TestDirectory;

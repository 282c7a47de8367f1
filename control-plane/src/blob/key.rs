//! The keys of the hubs' own storage accounts.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use aws_lc_rs::{hmac, rand};
use ringhub_core::id::HubId;

const FILE: &str = "key";
const NEW_FILE: &str = "key.new";
const BYTES: usize = 64;

/// The secret of a data directory, of which each hub's key is made: so a hub has its key from the
/// moment that there is a hub, without a write.
pub(super) struct Secret(hmac::Key);

impl Secret {
    /// Reads the secret in `directory`, or makes one.
    pub(super) fn open(directory: &Path) -> io::Result<Self> {
        let path = directory.join(FILE);
        let secret = match fs::read(&path) {
            Ok(secret) if secret.len() == BYTES => secret,
            Ok(_) => return Err(io::Error::other("key: it has another length than 64 bytes")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => make(directory, &path)?,
            Err(error) => return Err(error),
        };
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA512, &secret)))
    }

    /// The key of a hub's account.
    pub(super) fn account_key(&self, hub: HubId) -> Box<[u8]> {
        let label = format!("key of the storage account of hub {}", hub.0);
        hmac::sign(&self.0, label.as_bytes()).as_ref().into()
    }
}

fn make(directory: &Path, path: &Path) -> io::Result<Vec<u8>> {
    let mut secret = vec![0; BYTES];
    rand::fill(&mut secret).map_err(|_| io::Error::other("the system gives no random bytes"))?;
    let new = directory.join(NEW_FILE);
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    file.write_all(&secret)?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    File::open(directory)?.sync_all()?;
    Ok(secret)
}

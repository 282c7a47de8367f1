//! The token of administrators, in a file of the data directory.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use aws_lc_rs::rand;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ringhub_control_plane::AdminToken;
use tracing::warn;

use super::files::{self, NotWritten, Readable};

/// File in the data directory.
pub const ADMIN_TOKEN_FILE: &str = "admin-token";

/// Random bytes of a token.
const BYTES: usize = 32;

/// Where the token of administrators is kept, readable by the owner alone.
#[derive(Clone, Debug)]
pub struct AdminTokenFile(PathBuf);

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum AdminTokenError {
    /// The file cannot be read, or holds something else.
    #[error("{} cannot be used: {reason}; `ringhub admin-token renew` writes a new one", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// The file cannot be written.
    #[error(transparent)]
    NotWritten(#[from] NotWritten),
}

impl AdminTokenFile {
    /// The file of a data directory.
    #[must_use]
    pub fn of(data_directory: &Path) -> Self {
        Self(data_directory.join(ADMIN_TOKEN_FILE))
    }

    /// The token, which is made if there is none yet.
    ///
    /// # Errors
    /// [`AdminTokenError`].
    pub fn open(&self) -> Result<AdminToken, AdminTokenError> {
        let text = match fs::read_to_string(&self.0) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => self.renew()?,
            Err(error) => return Err(self.unusable(&error.to_string())),
        };
        AdminToken::new(&text).ok_or_else(|| self.unusable("it is one line of visible ASCII"))
    }

    /// Writes another token in place of the one that was there, and returns it. A running hub takes
    /// it within seconds, and the old one no more.
    ///
    /// # Errors
    /// When the file cannot be written, or the system gives no random bytes.
    pub fn renew(&self) -> Result<String, NotWritten> {
        let mut bytes = [0; BYTES];
        rand::fill(&mut bytes).map_err(|_| NotWritten {
            path: self.0.clone(),
            source: io::Error::other("the system gives no random bytes"),
        })?;
        let token = URL_SAFE_NO_PAD.encode(bytes);
        files::write(&self.0, &format!("{token}\n"), Readable::ByOwner)?;
        Ok(token)
    }

    /// Lets `token` be what the file says now; a file that says nothing of use changes nothing.
    pub(crate) fn refresh(&self, token: &AdminToken) {
        match fs::read_to_string(&self.0) {
            Ok(text) if token.replace(&text) => {}
            Ok(_) => warn!("{}", self.unusable("the token stays as it was")),
            // Whoever puts another file there may be between two steps.
            Err(_) => {}
        }
    }

    /// When and as what the file was last written, as far as that can be seen.
    pub(crate) fn modified(&self) -> Option<std::time::SystemTime> {
        fs::metadata(&self.0).and_then(|file| file.modified()).ok()
    }

    fn unusable(&self, reason: &str) -> AdminTokenError {
        AdminTokenError::Unusable { path: self.0.clone(), reason: reason.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::super::test_directory::TestDirectory;
    use super::*;

    #[test]
    fn a_token_is_made_once_and_renewed_on_request() {
        let directory = TestDirectory::new();
        let file = AdminTokenFile::of(directory.path());
        file.open().unwrap();
        let path = directory.path().join(ADMIN_TOKEN_FILE);
        let first = fs::read_to_string(&path).unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert!(first.trim().len() == 43, "{first}");
        file.open().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), first);
        let second = file.renew().unwrap();
        assert_ne!(second, first.trim());
        assert_eq!(fs::read_to_string(&path).unwrap().trim(), second);
        fs::write(&path, "two words").unwrap();
        let error = file.open().unwrap_err().to_string();
        assert!(error.contains("admin-token cannot be used") && error.contains("renew"), "{error}");
    }
}

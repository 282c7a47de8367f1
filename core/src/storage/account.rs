//! Storage accounts by their connection strings.
//!
//! ```text
//! DefaultEndpointsProtocol=https;AccountName=N;AccountKey=K;EndpointSuffix=core.windows.net
//! DefaultEndpointsProtocol=https;AccountName=N;AccountKey=K;BlobEndpoint=https://host:10000/N
//! ```

use core::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Where accounts are whose connection string does not say.
const SUFFIX: &str = "core.windows.net";

/// Why a text is not the connection string of a storage account. The text never holds a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAccount {
    /// A part that is not `name=value`.
    #[error("a connection string of a storage account has parts `name=value`, joined by `;`")]
    Part,
    /// A part is not there.
    #[error("the connection string of the storage account lacks {0}")]
    Missing(&'static str),
    /// Not base64.
    #[error("AccountKey is not base64; copy all of it, with the `=` at its end")]
    Key,
    /// Not an address of HTTPS.
    #[error(
        "BlobEndpoint must be an address like https://host:port/account: uploads are encrypted"
    )]
    Endpoint,
}

/// A storage account and its key, which `Debug` does not show.
#[derive(Clone, PartialEq, Eq)]
pub struct StorageAccount {
    /// Its name.
    pub name: Box<str>,
    key: Box<[u8]>,
    host: Box<str>,
    path: Box<str>,
}

impl StorageAccount {
    /// Reads a connection string.
    ///
    /// # Errors
    /// [`InvalidAccount`], which says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, InvalidAccount> {
        let [mut name, mut key, mut endpoint, mut suffix, mut protocol] = [None; 5];
        for part in text.trim().split(';').map(str::trim).filter(|part| !part.is_empty()) {
            let (part, value) = part.split_once('=').ok_or(InvalidAccount::Part)?;
            match part.to_ascii_lowercase().as_str() {
                "accountname" => name = Some(value),
                "accountkey" => key = Some(value),
                "blobendpoint" => endpoint = Some(value),
                "endpointsuffix" => suffix = Some(value),
                "defaultendpointsprotocol" => protocol = Some(value),
                _ => {}
            }
        }
        let name = filled(name).ok_or(InvalidAccount::Missing("AccountName"))?;
        let key = filled(key).ok_or(InvalidAccount::Missing("AccountKey"))?;
        let key = STANDARD.decode(key).map_err(|_| InvalidAccount::Key)?;
        let of_suffix = || {
            let protocol = protocol.unwrap_or("https");
            format!("{protocol}://{name}.blob.{}", suffix.unwrap_or(SUFFIX))
        };
        let endpoint = endpoint.map_or_else(of_suffix, ToOwned::to_owned);
        let rest = endpoint.strip_prefix("https://").ok_or(InvalidAccount::Endpoint)?;
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        let is_host = !host.is_empty()
            && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.:[]_".contains(&b));
        let path = path.trim_matches('/');
        if !is_host || path.contains(['?', '#', ' ']) {
            return Err(InvalidAccount::Endpoint);
        }
        Ok(Self { name: name.into(), key: key.into(), host: host.into(), path: path.into() })
    }

    /// The key.
    #[must_use]
    pub fn key(&self) -> &[u8] {
        &self.key
    }

    /// Host, and port where there is one.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// What clients have to put in front of the names of blobs: the container, and the path of the
    /// account in front of that where the host alone does not name it.
    #[must_use]
    pub fn container_path(&self, container: &str) -> String {
        if self.path.is_empty() {
            container.to_owned()
        } else {
            format!("{}/{container}", self.path)
        }
    }
}

fn filled(value: Option<&str>) -> Option<&str> {
    value.filter(|value| !value.is_empty())
}

impl fmt::Debug for StorageAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StorageAccount({} at {})", self.name, self.host)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_are_addressed_by_host_or_by_path() {
        let text = "DefaultEndpointsProtocol=https;AccountName=acc;AccountKey=a2V5;\
                    EndpointSuffix=core.windows.net";
        let account = StorageAccount::parse(text).expect("valid");
        assert_eq!(account.host(), "acc.blob.core.windows.net");
        assert_eq!(account.container_path("up"), "up");
        assert_eq!(account.key(), b"key");
        let text = "AccountName=dev;AccountKey=a2V5;BlobEndpoint=https://127.0.0.1:10000/dev;";
        let account = StorageAccount::parse(text).expect("valid");
        assert_eq!(
            (account.host(), account.container_path("up").as_str()),
            ("127.0.0.1:10000", "dev/up")
        );
        assert!(!format!("{account:?}").contains("a2V5"));
        for (bad, why) in [
            ("x", InvalidAccount::Part),
            ("AccountName=a", InvalidAccount::Missing("AccountKey")),
            ("AccountName=;AccountKey=a2V5", InvalidAccount::Missing("AccountName")),
            ("AccountName=a;AccountKey=?", InvalidAccount::Key),
            ("AccountName=a;AccountKey=a2V5;BlobEndpoint=http://h/a", InvalidAccount::Endpoint),
            (
                "AccountName=a;AccountKey=a2V5;DefaultEndpointsProtocol=http",
                InvalidAccount::Endpoint,
            ),
            ("AccountName=a;AccountKey=a2V5;BlobEndpoint=https:///a", InvalidAccount::Endpoint),
        ] {
            assert_eq!(StorageAccount::parse(bad), Err(why), "{bad}");
        }
    }
}

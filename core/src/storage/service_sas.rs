//! Signatures for one blob or container.
//!
//! ```text
//! string to sign, one field a line: sp st se /blob/<account>/<container>[/<blob>] si sip spr sv
//!                                   [sr snapshot]  since 2018-11-09
//!                                   [ses]          since 2020-12-06
//!                                   rscc rscd rsce rscl rsct
//! ```
//!
//! Source: Azure Storage REST API, "Create a service SAS".

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::rights::{BlobRights, BlobTarget};
use super::signature::{is_signature, sign};
use super::time_text::{self, storage_time};
use super::{BlobName, ContainerName, SignatureRefused, StorageQuery};
use crate::time::UnixMillis;

/// The version that the hub signs with: every storage account and emulator takes it.
pub(super) const VERSION: &str = "2018-03-28";

/// The oldest form of the string to sign that is known here.
const VERSION_MIN: &str = "2015-04-05";
const VERSION_WITH_RESOURCE: &str = "2018-11-09";
pub(super) const VERSION_WITH_SCOPE: &str = "2020-12-06";

/// A signature as it stands in a query.
#[derive(Clone, Copy, Debug)]
pub struct ServiceSas<'q>(&'q StorageQuery);

impl<'q> ServiceSas<'q> {
    /// The signature of a query, if it has one for a blob or container.
    #[must_use]
    pub fn of(query: &'q StorageQuery) -> Option<Self> {
        (query.get("sig").is_some() && query.get("sr").is_some()).then_some(Self(query))
    }

    /// What it allows to do with `target`.
    ///
    /// # Errors
    /// [`SignatureRefused`]; the signature itself is looked at first, so that nobody without the
    /// key learns more.
    pub fn check(
        self,
        key: &[u8],
        target: BlobTarget<'_>,
        now: UnixMillis,
    ) -> Result<BlobRights, SignatureRefused> {
        let query = self.0;
        let version = query.text("sv");
        if version < VERSION_MIN || version.len() != VERSION_MIN.len() {
            return Err(SignatureRefused::Malformed("sv"));
        }
        let container = target.container.ok_or(SignatureRefused::Signature)?;
        let blob = match query.text("sr") {
            "b" => Some(target.blob.ok_or(SignatureRefused::Signature)?),
            "c" => None,
            _ => return Err(SignatureRefused::Unsupported("this sr")),
        };
        let text = string_to_sign(query, &resource(target.account, container, blob));
        if !is_signature(key, &text, query.text("sig")) {
            return Err(SignatureRefused::Signature);
        }
        if !query.text("si").is_empty() {
            return Err(SignatureRefused::Unsupported("a stored access policy (si)"));
        }
        if !query.text("sip").is_empty() {
            return Err(SignatureRefused::Unsupported("a range of addresses (sip)"));
        }
        time_text::check(query.text("st"), query.text("se"), now)?;
        Ok(BlobRights::of_letters(query.text("sp"), false))
    }
}

/// The query, without question mark, that lets its holder read and write one blob until `expiry`;
/// `None` for a time beyond the year 9999.
#[must_use]
pub fn signed_blob_query(
    key: &[u8],
    account: &str,
    (container, blob): (&ContainerName, &BlobName),
    expiry: UnixMillis,
) -> Option<String> {
    let expiry = storage_time(expiry)?;
    let unsigned = format!("sv={VERSION}&sr=b&se={}&sp=rw", encoded(&expiry));
    let query = StorageQuery::parse(&unsigned);
    let signature = sign(key, &string_to_sign(&query, &resource(account, container, Some(blob))));
    let signature = encoded(&signature);
    Some(format!("sv={VERSION}&sr=b&sig={signature}&se={}&sp=rw", encoded(&expiry)))
}

/// The query, without question mark, that lets its holder do what the letters of `rights` say (`r`,
/// `c`, `w`, `d`, `l`) with a container and its blobs until `expiry`; `None` for a time beyond the
/// year 9999.
#[must_use]
pub fn signed_container_query(
    key: &[u8],
    account: &str,
    (container, rights): (&ContainerName, &str),
    expiry: UnixMillis,
) -> Option<String> {
    let expiry = storage_time(expiry)?;
    let unsigned = format!("sv={VERSION}&sr=c&se={}&sp={}", encoded(&expiry), encoded(rights));
    let query = StorageQuery::parse(&unsigned);
    let signature = sign(key, &string_to_sign(&query, &resource(account, container, None)));
    Some(format!("{unsigned}&sig={}", encoded(&signature)))
}

pub(super) fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

fn resource(account: &str, container: &ContainerName, blob: Option<&BlobName>) -> String {
    let mut path = format!("/blob/{account}/{}", container.as_str());
    if let Some(blob) = blob {
        path.push('/');
        path.push_str(blob.as_str());
    }
    path
}

fn string_to_sign(query: &StorageQuery, resource: &str) -> String {
    let version = query.text("sv");
    let mut lines = vec![query.text("sp"), query.text("st"), query.text("se"), resource];
    lines.extend(["si", "sip", "spr", "sv"].map(|name| query.text(name)));
    if version >= VERSION_WITH_RESOURCE {
        lines.extend(["sr", "snapshot"].map(|name| query.text(name)));
    }
    if version >= VERSION_WITH_SCOPE {
        lines.push(query.text("ses"));
    }
    lines.extend(["rscc", "rscd", "rsce", "rscl", "rsct"].map(|name| query.text(name)));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &[u8] = b"a key that is long enough";

    fn names() -> (ContainerName, BlobName) {
        let blob = BlobName::parse("cooler-7/logs/a b.txt").expect("valid");
        (ContainerName::parse("uploads").expect("valid"), blob)
    }

    fn check(query: &str, account: &str, now: i64) -> Result<BlobRights, SignatureRefused> {
        let (container, blob) = names();
        let target = BlobTarget { account, container: Some(&container), blob: Some(&blob) };
        let query = StorageQuery::parse(query);
        let sas = ServiceSas::of(&query).expect("it is signed");
        sas.check(KEY, target, UnixMillis::from_millis(now))
    }

    #[test]
    fn a_signed_address_counts_for_its_blob_until_its_time_is_over() {
        let (container, blob) = names();
        let until = UnixMillis::from_millis(1_800_000_000_000);
        let query = signed_blob_query(KEY, "acc", (&container, &blob), until).expect("signed");
        let rights = check(&query, "acc", 1_799_999_999_999).expect("it counts");
        assert!(rights.read && rights.write && !rights.create && !rights.delete && !rights.owner);
        assert_eq!(check(&query, "acc", 1_800_000_000_000), Err(SignatureRefused::Expired));
        assert_eq!(check(&query, "other", 0), Err(SignatureRefused::Signature));
        let more = query.replace("sp=rw", "sp=rwd");
        assert_eq!(check(&more, "acc", 0), Err(SignatureRefused::Signature));
        let longer = query.replace("se=2027", "se=2028");
        assert_eq!(check(&longer, "acc", 0), Err(SignatureRefused::Signature));
        assert_eq!(
            check(&query.replace("sr=b", "sr=d"), "acc", 0),
            Err(SignatureRefused::Unsupported("this sr"))
        );
    }

    #[test]
    fn a_signed_container_opens_its_blobs() {
        let (container, _) = names();
        let until = UnixMillis::from_millis(1_800_000_000_000);
        let query = signed_container_query(KEY, "acc", (&container, "rcl"), until);
        let query = query.expect("signed");
        let rights = check(&query, "acc", 0).expect("it counts");
        assert!(rights.read && rights.create && rights.list && !rights.write && !rights.owner);
        assert_eq!(check(&query, "acc", 1_800_000_000_000), Err(SignatureRefused::Expired));
        let more = query.replace("sp=rcl", "sp=rcwl");
        assert_eq!(check(&more, "acc", 0), Err(SignatureRefused::Signature));
    }
}

//! Signatures for a whole account.
//!
//! Source: Azure Storage REST API, "Create an account SAS".

use super::rights::BlobRights;
use super::service_sas::{VERSION, VERSION_WITH_SCOPE, encoded};
use super::signature::{is_signature, sign};
use super::time_text::{self, storage_time};
use super::{BlobTarget, SignatureRefused, StorageQuery};
use crate::time::UnixMillis;

/// A signature as it stands in a query.
#[derive(Clone, Copy, Debug)]
pub struct AccountSas<'q>(&'q StorageQuery);

impl<'q> AccountSas<'q> {
    /// The signature of a query, if it has one for an account.
    #[must_use]
    pub fn of(query: &'q StorageQuery) -> Option<Self> {
        (query.get("sig").is_some() && query.get("srt").is_some()).then_some(Self(query))
    }

    /// What it allows to do with `target`.
    ///
    /// # Errors
    /// [`SignatureRefused`].
    pub fn check(
        self,
        key: &[u8],
        target: BlobTarget<'_>,
        now: UnixMillis,
    ) -> Result<BlobRights, SignatureRefused> {
        let query = self.0;
        if !is_signature(key, &string_to_sign(query, target.account), query.text("sig")) {
            return Err(SignatureRefused::Signature);
        }
        if !query.text("sip").is_empty() {
            return Err(SignatureRefused::Unsupported("a range of addresses (sip)"));
        }
        time_text::check(query.text("st"), query.text("se"), now)?;
        let kind = match target {
            BlobTarget { blob: Some(_), .. } => 'o',
            BlobTarget { container: Some(_), .. } => 'c',
            _ => 's',
        };
        let is_meant = query.text("ss").contains('b') && query.text("srt").contains(kind);
        let letters = if is_meant { query.text("sp") } else { "" };
        let owner = kind == 'c' && letters.contains(['c', 'w', 'd']);
        Ok(BlobRights::of_letters(letters, owner))
    }
}

/// The query, without question mark, that lets its holder make containers of an account until
/// `expiry`; `None` for a time beyond the year 9999.
#[must_use]
pub fn signed_account_query(key: &[u8], account: &str, expiry: UnixMillis) -> Option<String> {
    let expiry = storage_time(expiry)?;
    let unsigned = format!("sv={VERSION}&ss=b&srt=c&sp=c&se={}", encoded(&expiry));
    let query = StorageQuery::parse(&unsigned);
    let signature = sign(key, &string_to_sign(&query, account));
    Some(format!("{unsigned}&sig={}", encoded(&signature)))
}

fn string_to_sign(query: &StorageQuery, account: &str) -> String {
    let mut text = format!("{account}\n");
    for name in ["sp", "ss", "srt", "st", "se", "sip", "spr", "sv"] {
        text.push_str(query.text(name));
        text.push('\n');
    }
    if query.text("sv") >= VERSION_WITH_SCOPE {
        text.push_str(query.text("ses"));
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::ContainerName;

    #[test]
    fn a_signature_for_containers_makes_them_and_reads_no_blob() {
        let now = UnixMillis::from_millis(1_800_000_000_000);
        let until = UnixMillis::from_millis(1_800_000_060_000);
        let query = signed_account_query(b"key", "acc", until).expect("signed");
        let query = StorageQuery::parse(&query);
        let sas = AccountSas::of(&query).expect("it is of an account");
        let container = ContainerName::parse("uploads").expect("valid");
        let target = BlobTarget { account: "acc", container: Some(&container), blob: None };
        let rights = sas.check(b"key", target, now).expect("it counts");
        assert!(rights.owner && !rights.read && !rights.list);
        let other = BlobTarget { account: "other", ..target };
        assert_eq!(sas.check(b"key", other, now), Err(SignatureRefused::Signature));
        assert_eq!(sas.check(b"key", target, until), Err(SignatureRefused::Expired));
        let whole = BlobTarget { account: "acc", container: None, blob: None };
        assert!(!sas.check(b"key", whole, now).expect("it counts").owner);
    }
}

//! Signatures for a whole account.
//!
//! Source: Azure Storage REST API, "Create an account SAS".

use super::rights::BlobRights;
use super::service_sas::VERSION_WITH_SCOPE;
use super::signature::is_signature;
use super::{BlobTarget, SignatureRefused, StorageQuery, time_text};
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
        let mut text = format!("{}\n", target.account);
        for name in ["sp", "ss", "srt", "st", "se", "sip", "spr", "sv"] {
            text.push_str(query.text(name));
            text.push('\n');
        }
        if query.text("sv") >= VERSION_WITH_SCOPE {
            text.push_str(query.text("ses"));
            text.push('\n');
        }
        if !is_signature(key, &text, query.text("sig")) {
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

//! Requests that are signed with the key of the account, headers and all.
//!
//! Source: Azure Storage REST API, "Authorize with Shared Key".

use core::time::Duration;

use http::HeaderMap;

use super::signature::is_signature;
use super::{SignatureRefused, StorageQuery};

/// How far the clock of a client may be off.
const SKEW_MAX: Duration = Duration::from_mins(15);

/// What of a request is signed.
#[derive(Clone, Copy, Debug)]
pub struct SharedKeyRequest<'a> {
    /// Method.
    pub method: &'a str,
    /// Path as it came, percent-encoded, without the query.
    pub path: &'a str,
    /// The query.
    pub query: &'a StorageQuery,
    /// All headers.
    pub headers: &'a HeaderMap,
}

/// Checks the header `Authorization` of a request, whose `date` was read from `x-ms-date` or
/// `Date`, in seconds since 1970.
///
/// # Errors
/// [`SignatureRefused`].
pub fn check_shared_key(
    request: SharedKeyRequest<'_>,
    account: &str,
    key: &[u8],
    (date_secs, now_secs): (Option<i64>, i64),
) -> Result<(), SignatureRefused> {
    let header = text(request.headers, "authorization");
    let credential = header.strip_prefix("SharedKey ");
    let (name, signature) = credential
        .and_then(|credential| credential.split_once(':'))
        .ok_or(SignatureRefused::Malformed("`SharedKey account:signature`"))?;
    if name != account || !is_signature(key, &string_to_sign(request, account), signature) {
        return Err(SignatureRefused::Signature);
    }
    let date = date_secs.ok_or(SignatureRefused::Malformed("x-ms-date"))?;
    if date.abs_diff(now_secs) > SKEW_MAX.as_secs() {
        return Err(SignatureRefused::Expired);
    }
    Ok(())
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> &'h str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().trim()
}

fn string_to_sign(request: SharedKeyRequest<'_>, account: &str) -> String {
    let SharedKeyRequest { method, path, query, headers } = request;
    let length = text(headers, "content-length");
    let has_own_date = headers.contains_key("x-ms-date");
    let date = if has_own_date { "" } else { text(headers, "date") };
    let mut lines = vec![
        method,
        text(headers, "content-encoding"),
        text(headers, "content-language"),
        if length == "0" { "" } else { length },
        text(headers, "content-md5"),
        text(headers, "content-type"),
        date,
    ];
    let conditions =
        ["if-modified-since", "if-match", "if-none-match", "if-unmodified-since", "range"];
    lines.extend(conditions.map(|name| text(headers, name)));
    let mut signed = lines.join("\n");
    signed.push('\n');
    let mut own: Vec<&str> =
        headers.keys().map(http::HeaderName::as_str).filter(|n| n.starts_with("x-ms-")).collect();
    own.sort_unstable();
    for name in own {
        signed.push_str(&format!("{name}:{}\n", text(headers, name)));
    }
    signed.push_str(&format!("/{account}{path}"));
    let mut parameters: Vec<&(String, String)> = query.pairs().iter().collect();
    parameters.sort();
    for (name, value) in parameters {
        signed.push_str(&format!("\n{name}:{value}"));
    }
    signed
}

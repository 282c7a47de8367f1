//! Versions of the resource provider.

use super::ProviderError;

/// All that clients have been seen to use, newest first.
///
/// Source: control-plane reference, "Frame".
const VERSIONS: [&str; 30] = [
    "2025-08-01-preview",
    "2023-06-30",
    "2023-06-30-preview",
    "2022-11-15-preview",
    "2022-04-30-preview",
    "2021-07-02",
    "2021-07-02-preview",
    "2021-07-01",
    "2021-07-01-preview",
    "2021-03-31",
    "2021-03-03-preview",
    "2021-02-01-preview",
    "2020-08-31",
    "2020-08-31-preview",
    "2020-08-01",
    "2020-07-10-preview",
    "2020-06-15",
    "2020-04-01",
    "2020-03-01",
    "2019-11-04",
    "2019-07-01-preview",
    "2019-03-22",
    "2019-03-22-preview",
    "2018-12-01-preview",
    "2018-04-01",
    "2018-01-22",
    "2017-07-01",
    "2017-01-19",
    "2016-02-03",
    "2015-08-15-preview",
];

/// Takes the version that a request names; `None` if it names none.
///
/// # Errors
/// [`ProviderError`] for no version and for one that is not known.
pub(super) fn check(named: Option<&str>) -> Result<(), ProviderError> {
    let named = named.filter(|text| !text.is_empty());
    let named = named.ok_or(ProviderError::ApiVersionMissing)?;
    if VERSIONS.iter().any(|known| known.eq_ignore_ascii_case(named)) {
        return Ok(());
    }
    let named = named.chars().take(64).collect();
    Err(ProviderError::ApiVersion { named, known: VERSIONS.join(",") })
}

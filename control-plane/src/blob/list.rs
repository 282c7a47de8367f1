//! Pages of lists.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ringhub_core::id::HubId;
use ringhub_core::storage::ContainerName;

use super::StorageError;
use super::index::{BlobRow, ContainerRow, Index};
use super::operation::ListRequest;

/// Rows that are read at a time while names with a common beginning are passed over.
const STEP_ROWS: usize = 512;

/// A part of a list.
#[derive(Debug)]
pub(super) struct Page<T> {
    pub(super) items: Vec<T>,
    /// Names the next page; empty for the last.
    pub(super) next: String,
}

/// A blob, or the common beginning of several.
#[derive(Debug)]
pub(super) enum Entry {
    Blob(BlobRow),
    Prefix(String),
}

pub(super) fn containers(
    index: &Index,
    hub: HubId,
    page: &ListRequest,
) -> Result<Page<ContainerRow>, StorageError> {
    let after = after(&page.marker)?;
    let mut items = index.containers(hub, &page.prefix, &after, page.limit + 1)?;
    let has_more = items.len() > page.limit;
    items.truncate(page.limit);
    let last = items.last().filter(|_| has_more);
    let next = last.map(|row| marker(&row.name)).unwrap_or_default();
    Ok(Page { items, next })
}

/// Without a delimiter every blob is an entry; with one, those whose names go on behind it are one
/// entry for all that have the beginning in common.
pub(super) fn blobs(
    index: &Index,
    (hub, container): (HubId, &ContainerName),
    page: &ListRequest,
) -> Result<Page<Entry>, StorageError> {
    if index.container(hub, container)?.is_none() {
        return Err(StorageError::ContainerNotFound);
    }
    let mut after = after(&page.marker)?;
    let mut items = Vec::new();
    loop {
        let rows = index.blobs((hub, container), &page.prefix, &after, STEP_ROWS)?;
        let is_end = rows.len() < STEP_ROWS;
        let mut skips = false;
        for row in rows {
            if items.len() >= page.limit {
                return Ok(Page { items, next: marker(&after) });
            }
            match common_beginning(&row.name, page) {
                Some(beginning) => {
                    // What begins so is behind this character, whatever follows.
                    after = format!("{beginning}\u{10ffff}");
                    items.push(Entry::Prefix(beginning));
                    skips = true;
                    break;
                }
                None => {
                    after.clone_from(&row.name);
                    items.push(Entry::Blob(row));
                }
            }
        }
        if is_end && !skips {
            return Ok(Page { items, next: String::new() });
        }
    }
}

fn common_beginning(name: &str, page: &ListRequest) -> Option<String> {
    if page.delimiter.is_empty() {
        return None;
    }
    let rest = name.strip_prefix(&page.prefix)?;
    let end = rest.find(&page.delimiter)? + page.delimiter.len();
    Some(name[..page.prefix.len() + end].to_owned())
}

fn marker(name: &str) -> String {
    URL_SAFE_NO_PAD.encode(name)
}

fn after(marker: &str) -> Result<String, StorageError> {
    let name = URL_SAFE_NO_PAD.decode(marker).ok().and_then(|name| String::from_utf8(name).ok());
    name.ok_or(StorageError::Header("marker"))
}
